/**
 * Plays a step in time, and lets a policy choose what a free rank does next.
 *
 * A policy sees only what is known at that moment: what has arrived, and what is under way and will arrive when. What
 * it chooses becomes the rank's program. A forward needs room: a rank with several stages leaves room for one
 * micro-batch of each later stage, or its first stage would take all of it and nothing could ever free it. So the
 * program is always complete when a rank has room for each of its stages once. A policy may ignore that; then the step
 * may come to a halt, and has no makespan.
 */
import { ActionListBuilder } from "../program/action-list.ts";
import { Cells, type Flow, NO_CELL } from "../program/cells.ts";
import { Opcode } from "../program/opcode.ts";
import { type Placement, perRank, rankOf, stagesOf } from "../program/placement.ts";
import type { Program } from "../program/program.ts";
import { type CostModel, type StageCosts, stageCosts } from "../simulate/cost.ts";
import { EventQueue } from "./event-queue.ts";
import { isPairFaster } from "./pairs.ts";

/** What a step is played with. */
export interface PlayerOptions {
  readonly placement: Placement;
  readonly cost: CostModel;
  /** The most micro-batches of a stage that a rank may hold, from the start of F to the end of W. */
  readonly maxActivations: number;
}

/** Starts at most one computation of a rank that is free at `now`. */
export type Policy = (player: StepPlayer, rank: RankState, now: number) => void;

/** A program that was played. */
export interface PlayedStep {
  readonly program: Program;
  /** Infinity when the step came to a halt. */
  readonly makespan: number;
}

/** One stage on one rank. */
export interface StageQueue {
  readonly stage: number;
  /** The later stages of its rank. */
  readonly numLater: number;
  /** The micro-batches that pass this rank's copy of the stage, in order. */
  readonly microBatches: readonly number[];
  numForwards: number;
  numBackwards: number;
}

/** One rank's choices over time. */
export class RankState {
  readonly rank: number;
  readonly queues: readonly StageQueue[];
  /** The cells that have had their I and not their W. */
  readonly pendingWeights: number[] = [];
  numHeld = 0;
  freeAt = 0;

  constructor(placement: Placement, rank: number) {
    const stages = stagesOf(placement, rank);
    const queues = stages.map((stage, index) => ({
      stage,
      numLater: stages.length - 1 - index,
      microBatches: microBatchesThrough(placement, stage, rank),
      numForwards: 0,
      numBackwards: 0,
    }));
    this.rank = rank;
    // Later stages first: they are nearer to the loss, so they free memory sooner.
    this.queues = queues.toReversed();
  }
}

function microBatchesThrough(placement: Placement, stage: number, rank: number): number[] {
  const microBatches = [...placement.directionOfMicroBatch.keys()];
  return microBatches.filter((microBatch) => rankOf(placement, stage, microBatch) === rank);
}

/** Plays one step. */
export class StepPlayer {
  readonly costs: StageCosts;
  readonly maxActivations: number;
  readonly #placement: Placement;
  readonly #cost: CostModel;
  readonly #cells: Cells;
  readonly #ranks: readonly RankState[];
  readonly #builders: readonly ActionListBuilder[];
  readonly #events = new EventQueue();
  /** The time at which each cell has its activation and its gradient; NaN until that is known. */
  readonly #arrivals: Readonly<Record<Flow, Float64Array>>;

  constructor({ placement, cost, maxActivations }: PlayerOptions) {
    const { numRanks, numStages } = placement;
    const numMicroBatches = placement.directionOfMicroBatch.length;
    this.#placement = placement;
    this.#cost = cost;
    this.maxActivations = maxActivations;
    this.#cells = new Cells({ placement, numStages, numMicroBatches });
    this.costs = stageCosts(cost, numStages);
    const unknown = new Float64Array(this.#cells.numCells).fill(Number.NaN);
    this.#arrivals = { F: unknown.slice().fill(0, 0, numMicroBatches), B: unknown };
    this.#ranks = perRank(numRanks, (rank) => new RankState(placement, rank));
    this.#builders = this.#ranks.map(() => new ActionListBuilder(numMicroBatches));
  }

  run(policy: Policy): PlayedStep {
    const { numRanks, numStages } = this.#placement;
    for (let rank = 0; rank < numRanks; rank++) this.#events.push(0, rank);
    for (let event = this.#events.pop(); event !== undefined; event = this.#events.pop()) {
      const state = this.#ranks[event.value]!;
      if (state.freeAt <= event.time) policy(this, state, event.time);
    }
    const program = {
      schedule: "searched",
      numRanks,
      numStages,
      numMicroBatches: this.#cells.numMicroBatches,
      forwardOnly: false,
      communication: "none",
      placement: this.#placement,
      ranks: this.#builders.map((builder) => builder.finish()),
    } as const;
    const isComplete = this.#ranks.every(
      ({ queues, pendingWeights }) =>
        pendingWeights.length === 0 &&
        queues.every((queue) => queue.numBackwards === queue.microBatches.length),
    );
    return {
      program,
      makespan: isComplete ? Math.max(...this.#ranks.map(({ freeAt }) => freeAt)) : Infinity,
    };
  }

  /** The cell of the stage's next forward; undefined when it has done all. */
  nextForward({ stage, microBatches, numForwards }: StageQueue): number | undefined {
    const microBatch = microBatches[numForwards];
    return microBatch === undefined ? undefined : this.#cells.cellOf(stage, microBatch);
  }

  /** The cell of the stage's next backward; undefined when it has done one for each of its forwards. */
  nextBackward({ stage, microBatches, numForwards, numBackwards }: StageQueue): number | undefined {
    return numBackwards < numForwards ? this.#cells.cellOf(stage, microBatches[numBackwards]!) : undefined;
  }

  /** When the cell has its activation (F) or its gradient (B); NaN while that is not known. */
  arrival(flow: Flow, cell: number | undefined): number {
    return cell === undefined ? Number.NaN : this.#arrivals[flow][cell]!;
  }

  /** Whether a rank has room for another micro-batch of the stage, besides one of each of its later stages. */
  hasRoom(state: RankState, { numLater }: StageQueue): boolean {
    return state.numHeld + numLater < this.maxActivations;
  }

  /** Whether a backward for inputs becomes ready so soon that anything else would delay it. */
  hasBackwardWithin(state: RankState, now: number, delay: number): boolean {
    return state.queues.some((queue) => {
      const gradient = this.arrival("B", this.nextBackward(queue));
      return gradient > now && gradient < now + delay;
    });
  }

  /** Runs the next forward of the stage. */
  forward(state: RankState, queue: StageQueue, now: number): void {
    const cell = this.nextForward(queue)!;
    queue.numForwards++;
    state.numHeld++;
    this.#forwardEnds(cell, this.#run(state, "F", cell, now));
  }

  /** Runs the I of the stage's next backward. */
  backwardInputs(state: RankState, queue: StageQueue, now: number): void {
    const cell = this.nextBackward(queue)!;
    queue.numBackwards++;
    state.pendingWeights.push(cell);
    this.#deliver("B", cell, this.#run(state, "I", cell, now));
  }

  /**
   * Runs a forward and a full backward as a pair; false when there is none that is ready and faster than its parts.
   * The gradient may arrive while the forward runs.
   */
  pairOfReady(state: RankState, now: number): boolean {
    const { pairForward, pairBackward, F, I, W } = this.costs;
    for (const forward of state.queues) {
      if (!(this.arrival("F", this.nextForward(forward)) <= now) || !this.hasRoom(state, forward)) continue;
      const middle = now + pairForward[forward.stage]!;
      const backward = state.queues.find(
        (queue) =>
          this.arrival("B", this.nextBackward(queue)) <= middle &&
          isPairFaster(this.costs, forward.stage, queue.stage),
      );
      if (backward === undefined) continue;
      const [cell, backwardCell] = [this.nextForward(forward)!, this.nextBackward(backward)!];
      forward.numForwards++;
      backward.numBackwards++;
      this.#builders[state.rank]!.addCell(Opcode.OVERLAP_F_B, cell, backwardCell);
      const duration = pairForward[forward.stage]! + pairBackward[backward.stage]!;
      const [f, i, w] = [F[forward.stage]!, I[backward.stage]!, W[backward.stage]!];
      const share = f + i + w > 0 ? duration / (f + i + w) : 0;
      state.freeAt = now + duration;
      this.#events.push(state.freeAt, state.rank);
      this.#forwardEnds(cell, now + f * share);
      this.#deliver("B", backwardCell, now + (f + i) * share);
      return true;
    }
    return false;
  }

  /** Runs the W that waits longest; false when none does. */
  backwardWeights(state: RankState, now: number): boolean {
    const cell = state.pendingWeights.shift();
    if (cell === undefined) return false;
    state.numHeld--;
    this.#run(state, "W", cell, now);
    return true;
  }

  /** The time of the W that waits longest; undefined when none does. */
  weightsDuration({ pendingWeights: [cell] }: RankState): number | undefined {
    return cell === undefined ? undefined : this.costs.W[this.#cells.stageOf(cell)]!;
  }

  /** Appends the computation to the rank's program and returns its end. */
  #run(state: RankState, kind: "F" | "I" | "W", cell: number, now: number): number {
    const stage = this.#cells.stageOf(cell);
    this.#builders[state.rank]!.add(kind, stage, this.#cells.microBatchOf(cell));
    state.freeAt = now + this.costs[kind][stage]!;
    this.#events.push(state.freeAt, state.rank);
    return state.freeAt;
  }

  /** The output goes to the next stage; at the last one it is the loss, and its gradient is there at once. */
  #forwardEnds(cell: number, end: number): void {
    if (this.#cells.consumerOf("F", cell) === NO_CELL) this.#arrive("B", cell, end);
    else this.#deliver("F", cell, end);
  }

  /** Sends what the cell has made at `end` to the cell that takes it, if any. */
  #deliver(flow: Flow, cell: number, end: number): void {
    const value = this.#cells.consumerOf(flow, cell);
    if (value === NO_CELL) return;
    const [from, to] = [this.#cells.rankOf(cell), this.#cells.rankOf(value)];
    const edge =
      this.#cost.edges?.find((candidate) => candidate.from === from && candidate.to === to) ??
      this.#cost.link;
    const bytes = this.costs.bytes[this.#cells.stageOf(Math.min(cell, value))]!;
    const transfer = to === from ? 0 : edge.latency + bytes / (edge.bandwidth ?? Number.POSITIVE_INFINITY);
    this.#arrive(flow, value, end + transfer);
  }

  #arrive(flow: Flow, value: number, time: number): void {
    this.#arrivals[flow][value] = time;
    this.#events.push(time, this.#cells.rankOf(value));
  }
}
