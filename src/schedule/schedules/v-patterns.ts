/*
 * Schedules on a V that hold a third or half of the activations of 1F1B.
 *
 * What a rank holds depends on how long a micro-batch stays: Qi et al. ("Pipeline Parallelism with Controllable
 * Memory", arXiv 2405.15362) call that the lifespan of a building block. A block has the times at which one micro-batch
 * passes every stage, for F = I = W = 1, and the next micro-batch follows six units later, because a rank computes six
 * units for each. So a block is possible when the computations of a rank never fall on the same unit modulo six.
 *
 * The gaps between neighbouring ranks decide the lifespan. On the way down the V and up again, forward and back, they
 * are 1, 1, 1, 1 for V-Min and 2, 1, 2, 1 for V-Half: on each rank they sum up to four and six units times the number
 * of ranks. The order of a rank's computations over all micro-batches is the program; the idle units at
 * its start disappear by themselves.
 */
import type { ComputationKind } from "../program/action.ts";
import { vPlacement } from "../program/placement.ts";
import type { Program } from "../program/program.ts";
import type { ProgramSizes } from "../program/sizes.ts";
import { ascendingProgram } from "./ascending-actions.ts";
import type { ScheduleDefinition } from "./definition.ts";

interface Gaps {
  /** Between two ranks for a forward towards the turn of the V, and away from it. */
  readonly forward: readonly [number, number];
  readonly backward: readonly [number, number];
}

/** One computation of a rank for micro-batch 0. */
interface Entry {
  readonly kind: ComputationKind;
  readonly stage: number;
  readonly time: number;
}

/** The units of work that a rank has for a micro-batch. */
const PERIOD = 6;

/** Places a micro-batch's computations on free units. */
class Block {
  readonly ranks: Entry[][];
  readonly #taken: boolean[][];
  readonly #numStages: number;

  constructor(numRanks: number) {
    this.#numStages = 2 * numRanks;
    this.ranks = Array.from({ length: numRanks }, () => []);
    this.#taken = Array.from({ length: numRanks }, () => new Array<boolean>(PERIOD).fill(false));
  }

  rankOf(stage: number): number {
    return Math.min(stage, this.#numStages - 1 - stage);
  }

  isFree(rank: number, time: number): boolean {
    return !this.#taken[rank]![time % PERIOD];
  }

  add(kind: ComputationKind, stage: number, time: number): void {
    const rank = this.rankOf(stage);
    this.ranks[rank]!.push({ kind, stage, time });
    this.#taken[rank]![time % PERIOD] = true;
  }

  /** The first time from `earliest` on at which the stage's rank is free. */
  firstFree(stage: number, earliest: number): number {
    let time = earliest;
    while (!this.isFree(this.rankOf(stage), time)) time++;
    return time;
  }
}

/** The first time from `earliest` on at which `fits` holds for a whole way over the ranks; repeats every six units. */
function firstStart(earliest: number, fits: (start: number) => boolean): number {
  for (let start = earliest; start < earliest + PERIOD; start++) if (fits(start)) return start;
  return earliest;
}

function blockOf(numRanks: number, { forward, backward }: Gaps): Entry[][] {
  const block = new Block(numRanks);
  const numStages = 2 * numRanks;
  const ranks = Array.from({ length: numRanks }, (_, rank) => rank);
  const turn = forward[0] * (numRanks - 1) + 1;
  for (const rank of ranks) block.add("F", rank, forward[0] * rank);
  const up = firstStart(turn, (start) =>
    ranks.every((rank) => block.isFree(rank, start + forward[1] * (numRanks - 1 - rank))),
  );
  for (const rank of ranks) block.add("F", numStages - 1 - rank, up + forward[1] * (numRanks - 1 - rank));
  let end = up + forward[1] * (numRanks - 1) + 1;
  for (const [half, gap] of backward.entries()) {
    const stages = ranks.map((index) => (half === 0 ? numStages - 1 - index : numRanks - 1 - index));
    const start = firstStart(end, (first) =>
      stages.every((stage, index) => block.isFree(block.rankOf(stage), first + gap * index)),
    );
    for (const [index, stage] of stages.entries()) block.add("I", stage, start + gap * index);
    end = start + gap * (numRanks - 1) + 1;
  }
  for (const entries of block.ranks)
    for (const { kind, stage, time } of [...entries])
      if (kind === "I") block.add("W", stage, block.firstFree(stage, time + 1));
  return block.ranks;
}

function patternProgram(name: string, sizes: ProgramSizes, gaps: Gaps): Program {
  const { numRanks, numMicroBatches } = sizes;
  const block = blockOf(numRanks, gaps);
  return ascendingProgram(name, sizes, vPlacement(numRanks, numMicroBatches), (actions, rank) => {
    const entries = block[rank]!.toSorted((a, b) => a.time - b.time);
    const numPeriods = numMicroBatches + Math.ceil(entries.at(-1)!.time / PERIOD);
    for (let period = 0; period <= numPeriods; period++)
      for (const { kind, stage } of inPeriod(entries, period, numMicroBatches)) actions.add(kind, stage);
  });
}

/** The computations of all micro-batches from the start of a period to its end, in order. */
function inPeriod(entries: readonly Entry[], period: number, numMicroBatches: number): Entry[] {
  return entries
    .filter(({ time }) => {
      const microBatch = period - Math.floor(time / PERIOD);
      return microBatch >= 0 && microBatch < numMicroBatches;
    })
    .toSorted((a, b) => (a.time % PERIOD) - (b.time % PERIOD));
}

function vSchedule(name: string, title: string, gaps: Gaps): ScheduleDefinition {
  return {
    name,
    title,
    source: "Pipeline Parallelism with Controllable Memory (arXiv 2405.15362); its B is our I",
    constraints: {
      ranks: { atLeast: 1 },
      microBatches: { atLeast: 1 },
      stagesPerRank: { atLeast: 2, atMost: 2 },
    },
    placement: ({ numRanks, numMicroBatches }) => vPlacement(numRanks, numMicroBatches),
    generate: (sizes) => patternProgram(name, sizes, gaps),
  };
}

/** Holds about a third of the activations of 1F1B. */
export const vMin = vSchedule("v-min", "V-Min", { forward: [1, 1], backward: [1, 1] });

/** Holds about half of the activations of 1F1B. */
export const vHalf = vSchedule("v-half", "V-Half", { forward: [2, 1], backward: [2, 1] });
