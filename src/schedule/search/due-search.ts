/*
 * Looks for due times (due-order.ts) whose program is fast and fits into the memory.
 *
 * First come patterns: a micro-batch passes the stages with the same gaps as the one before, one period later. That is
 * how V-Min and V-Half are built (Qi et al., "Pipeline Parallelism with Controllable Memory", 2024), with gaps worked
 * out for equal stages; here they are drawn at random, so that they adapt to costs and memory. Then the best pattern is
 * changed, a few due times at once. A change that makes the step a little slower is kept at first, as in simulated
 * annealing, because one change alone seldom helps. An order that brings the step to a halt is dropped.
 */
import { Cells } from "../program/cells.ts";
import { type Placement, perRank, stagesOf } from "../program/placement.ts";
import { type StageCosts, stageCosts } from "../simulate/cost.ts";
import { type DueRules, type DueTimes, dueOrder } from "./due-order.ts";
import { arePairsFaster } from "./pairs.ts";
import type { RandomNumbers } from "./random-numbers.ts";
import type { PlayedStep, PlayerOptions } from "./step-player.ts";

interface Found extends PlayedStep {
  readonly due: DueTimes;
  readonly rules: DueRules;
}

const SHARES = [0, 0.5, 1];
/** In sixths of a rank's work for a micro-batch, which is what a computation takes on a V where all are equal. */
const GAPS = [0, 0.5, 1, 1.5, 2, 3];
/** The number of gaps of a pattern. */
const NUM_GAPS = 7;
/** A step that is up to this share slower is changed further; falls to zero over the trials. */
const TOLERANCE_AT_START = 0.02;

/** The fastest step that was found. @param numTrials The number of patterns to try, and of changes after that. */
export function searchDueTimes(options: PlayerOptions, numTrials: number, random: RandomNumbers): PlayedStep {
  const search = new DueSearch(options, random);
  return search.change(search.findPattern(numTrials), numTrials);
}

class DueSearch {
  readonly #options: PlayerOptions;
  readonly #random: RandomNumbers;
  readonly #cells: Cells;
  readonly #costs: StageCosts;
  readonly #period: number;
  readonly #numMicroBatches: number;
  readonly #hasPairs: boolean;

  constructor(options: PlayerOptions, random: RandomNumbers) {
    const { placement, cost } = options;
    const { numStages, directionOfMicroBatch } = placement;
    this.#options = options;
    this.#random = random;
    this.#numMicroBatches = directionOfMicroBatch.length;
    this.#cells = new Cells({ placement, numStages, numMicroBatches: this.#numMicroBatches });
    this.#costs = stageCosts(cost, numStages);
    this.#hasPairs = arePairsFaster(this.#costs);
    const { F, I, W } = this.#costs;
    const workOf = (rank: number) =>
      stagesOf(placement, rank).reduce((sum, stage) => sum + F[stage]! + I[stage]! + W[stage]!, 0);
    this.#period = Math.max(...perRank(placement.numRanks, workOf));
  }

  /** Draws all gaps at first, then some of those that were best again. */
  findPattern(numTrials: number): Found {
    let [gaps, best] = [this.#gaps(1), undefined as Found | undefined];
    for (let trial = 0; trial < numTrials || best === undefined; trial++) {
      const isNew = trial < numTrials / 4 || best === undefined;
      const drawn = isNew ? this.#gaps(1) : this.#gaps(0.25, gaps);
      const rules = isNew || this.#random.next() < 0.2 ? this.#rules(best === undefined) : best!.rules;
      const found = this.#play(this.#pattern(drawn), rules);
      if (best !== undefined && found.makespan > best.makespan) continue;
      [gaps, best] = [drawn, found];
    }
    return best;
  }

  /** Takes every faster step, and at first some that are slower. */
  change(start: Found, numTrials: number): Found {
    let [best, current] = [start, start];
    for (let trial = 0; trial < numTrials; trial++) {
      const rules =
        this.#random.next() < 0.1
          ? { ...this.#rules(false), isStrict: current.rules.isStrict }
          : current.rules;
      const found = this.#play(this.#changed(current.due), rules);
      const tolerance = TOLERANCE_AT_START * (1 - trial / numTrials) * this.#random.next();
      if (found.makespan > current.makespan * (1 + tolerance)) continue;
      current = found;
      if (found.makespan < best.makespan) best = found;
    }
    return best;
  }

  #play(due: DueTimes, rules: DueRules): Found {
    return { ...dueOrder(this.#options, due, rules), due, rules };
  }

  /** @param isSafe Whether the step must not come to a halt. */
  #rules(isSafe: boolean): DueRules {
    const [patience, urgency] = [this.#random.pick(SHARES), this.#random.pick(SHARES)];
    const isStrict = !isSafe && this.#random.next() < 0.5;
    const leavesRoom = isSafe || this.#random.next() < 0.5;
    const pairs = this.#hasPairs && this.#random.next() < 0.8;
    return { patience, urgency, isStrict, leavesRoom, pairs };
  }

  /** @param share Of the gaps that are drawn; the others are the old ones. */
  #gaps(share: number, old: readonly number[] = []): number[] {
    return Array.from({ length: NUM_GAPS }, (_, index) =>
      this.#random.next() < share ? (this.#random.pick(GAPS) * this.#period) / 6 : old[index]!,
    );
  }

  /**
   * Every micro-batch of a direction passes the stages in the same times. There is a gap between two stages, another
   * one in the second half of the stages, one between the halves, the same for the way back, and one before it.
   */
  #pattern(gaps: readonly number[]): DueTimes {
    const { placement, cost } = this.#options;
    const { numStages } = placement;
    const costs = this.#costs;
    const hop = (kind: "F" | "I", from: number, to: number) => {
      const part = Math.sign(Math.max(from, to) - (numStages >> 1)) + 1;
      return costs[kind][from]! + cost.link.latency + gaps[(kind === "F" ? 0 : 3) + part]!;
    };
    const F = new Float64Array(numStages);
    const I = new Float64Array(numStages);
    for (let stage = 1; stage < numStages; stage++) F[stage] = F[stage - 1]! + hop("F", stage - 1, stage);
    I[numStages - 1] = F[numStages - 1]! + costs.F[numStages - 1]! + gaps[NUM_GAPS - 1]!;
    for (let stage = numStages - 2; stage >= 0; stage--)
      I[stage] = I[stage + 1]! + hop("I", stage + 1, stage);
    return this.#repeated(placement, F, I);
  }

  #repeated({ directionOfMicroBatch, rankOfStage }: Placement, F: Float64Array, I: Float64Array): DueTimes {
    const { numCells } = this.#cells;
    const due = { F: new Float64Array(numCells), I: new Float64Array(numCells) };
    const numBefore = new Array<number>(rankOfStage.length).fill(0);
    for (let microBatch = 0; microBatch < this.#numMicroBatches; microBatch++) {
      const start = numBefore[directionOfMicroBatch[microBatch]!]!++ * this.#period;
      for (let stage = 0; stage < F.length; stage++) {
        const cell = this.#cells.cellOf(stage, microBatch);
        due.F[cell] = F[stage]! + start;
        due.I[cell] = I[stage]! + start;
      }
    }
    return due;
  }

  /** Up to three changes, each of one due time, or of a stage's from a micro-batch on, or of a few in a row. */
  #changed(old: DueTimes): DueTimes {
    const random = this.#random;
    const due = { F: old.F.slice(), I: old.I.slice() };
    for (let i = 1 + random.below(3); i > 0; i--) {
      const times = due[random.pick(["F", "I"] as const)];
      const delta = (random.next() - 0.5) * this.#period * (random.next() < 0.3 ? 4 : 1);
      const stage = random.below(this.#options.placement.numStages);
      const first = random.below(this.#numMicroBatches);
      const length = random.pick([1, 1, 1 + random.below(4), this.#numMicroBatches]);
      const end = Math.min(this.#numMicroBatches, first + length);
      for (let microBatch = first; microBatch < end; microBatch++)
        times[this.#cells.cellOf(stage, microBatch)]! += delta;
    }
    return due;
  }
}
