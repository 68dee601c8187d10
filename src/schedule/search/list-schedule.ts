/**
 * A program for given costs and a given memory, by list scheduling.
 *
 * A schedule with rules of its own (1F1B, DualPipe) is best where its assumptions hold: equal stages, free links, its
 * own number of activations. The best order for other costs is a hard problem (NP-hard, as job shops are), but a
 * greedy one is cheap: play the step in time, and let each rank, whenever it is free, take the most urgent of the
 * computations whose inputs have arrived. Urgent is what other ranks wait for: a backward for inputs first, then a
 * forward, and a backward for weights only when there is nothing else.
 *
 * Two things make the greedy choice good. A free rank may wait: when an input gradient is about to arrive, starting
 * anything else would only delay it, and `patience` says how long is "about to". And a forward needs room: a rank with
 * several stages leaves room for one micro-batch of each later stage, or its first stage would take all of it and
 * nothing could ever free it. So the program is always complete when a rank has room for each of its stages once.
 *
 * No single preference wins at all costs. search.ts therefore makes a program with each and keeps the best.
 */
import { ActionListBuilder } from "../program/action-list.ts";
import { Cells, type Flow, NO_CELL } from "../program/cells.ts";
import { type Placement, perRank, rankOf, stagesOf } from "../program/placement.ts";
import type { Program } from "../program/program.ts";
import { type CostModel, type StageCosts, stageCosts } from "../simulate/cost.ts";
import { EventQueue } from "./event-queue.ts";

/** What a free rank takes first where it has a choice; the last one runs a W as soon as its memory is full. */
export type Preference = "backward-first" | "forward-first" | "weights-when-full";

export interface ListScheduleOptions {
  readonly placement: Placement;
  readonly cost: CostModel;
  /** The most micro-batches of a stage that a rank may hold, from the start of F to the end of W. */
  readonly maxActivations: number;
  readonly preference: Preference;
  /** A W waits when an I is known to become ready within this share of the W's time. */
  readonly patience: number;
  /** The same for an F. */
  readonly forwardPatience: number;
}

/** One stage on one rank. */
interface StageQueue {
  readonly stage: number;
  /** The micro-batches that pass this rank's copy of the stage, in order. */
  readonly microBatches: readonly number[];
  numForwards: number;
  numBackwards: number;
}

/** One rank's choices over time. */
class RankState {
  readonly rank: number;
  readonly queues: readonly StageQueue[];
  /** The cells that have had their I and not their W. */
  readonly pendingWeights: number[] = [];
  numHeld = 0;
  freeAt = 0;

  constructor(placement: Placement, rank: number) {
    const queues = stagesOf(placement, rank).map((stage) => ({
      stage,
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

/** Plays a step in time. */
class ListScheduler {
  readonly #options: ListScheduleOptions;
  readonly #cells: Cells;
  readonly #costs: StageCosts;
  readonly #ranks: readonly RankState[];
  readonly #builders: readonly ActionListBuilder[];
  readonly #events = new EventQueue();
  /** The time at which each cell has its activation and its gradient; NaN until that is known. */
  readonly #arrivals: Readonly<Record<Flow, Float64Array>>;

  constructor(options: ListScheduleOptions) {
    const { placement, cost } = options;
    const { numRanks, numStages } = placement;
    const numMicroBatches = placement.directionOfMicroBatch.length;
    this.#options = options;
    this.#cells = new Cells({ placement, numStages, numMicroBatches });
    this.#costs = stageCosts(cost, numStages);
    const unknown = new Float64Array(this.#cells.numCells).fill(Number.NaN);
    this.#arrivals = { F: unknown.slice().fill(0, 0, numMicroBatches), B: unknown };
    this.#ranks = perRank(numRanks, (rank) => new RankState(placement, rank));
    this.#builders = this.#ranks.map(() => new ActionListBuilder(numMicroBatches));
  }

  run(): Program {
    const { placement } = this.#options;
    for (let rank = 0; rank < placement.numRanks; rank++) this.#events.push(0, rank);
    for (let event = this.#events.pop(); event !== undefined; event = this.#events.pop()) {
      const state = this.#ranks[event.value]!;
      if (state.freeAt <= event.time) this.#act(state, event.time);
    }
    return {
      schedule: "searched",
      numRanks: placement.numRanks,
      numStages: placement.numStages,
      numMicroBatches: this.#cells.numMicroBatches,
      forwardOnly: false,
      communication: "none",
      placement,
      ranks: this.#builders.map((builder) => builder.finish()),
    };
  }

  /** Lets a free rank start one computation, or none. */
  #act(state: RankState, now: number): void {
    const isFull = state.numHeld >= this.#options.maxActivations;
    const { preference } = this.#options;
    if (preference === "weights-when-full" && isFull && this.#backwardWeights(state, now)) return;
    if (preference === "forward-first" && this.#forward(state, now)) return;
    if (this.#backwardInputs(state, now)) return;
    if (preference !== "forward-first" && this.#forward(state, now)) return;
    const pending = state.pendingWeights[0];
    if (pending === undefined) return;
    const patience = isFull && this.#options.patience < 1 ? 0 : this.#options.patience;
    const duration = this.#costs.W[this.#cells.stageOf(pending)]!;
    if (!this.#hasBackwardWithin(state, now, patience * duration)) this.#backwardWeights(state, now);
  }

  /** Whether a backward for inputs becomes ready so soon that anything else would delay it. */
  #hasBackwardWithin(state: RankState, now: number, delay: number): boolean {
    return state.queues.some((queue) => {
      const gradient = this.#gradientArrival(queue);
      return gradient > now && gradient < now + delay;
    });
  }

  /** The arrival of the gradient for the stage's next backward; NaN while that is not known. */
  #gradientArrival(queue: StageQueue): number {
    if (queue.numBackwards >= queue.numForwards) return Number.NaN;
    return this.#arrivals.B[this.#cells.cellOf(queue.stage, queue.microBatches[queue.numBackwards]!)]!;
  }

  #forward(state: RankState, now: number): boolean {
    for (const [index, { stage, microBatches, numForwards }] of state.queues.entries()) {
      const microBatch = microBatches[numForwards];
      if (microBatch === undefined) continue;
      // Room for one micro-batch of each later stage of the rank stays free.
      if (state.numHeld + index >= this.#options.maxActivations) continue;
      const cell = this.#cells.cellOf(stage, microBatch);
      if (!(this.#arrivals.F[cell]! <= now)) continue;
      const delay = this.#options.forwardPatience * this.#costs.F[stage]!;
      if (this.#hasBackwardWithin(state, now, delay)) return false;
      state.queues[index]!.numForwards++;
      state.numHeld++;
      const end = this.#run(state, "F", cell, now);
      if (stage === this.#options.placement.numStages - 1) this.#arrive("B", cell, end);
      else this.#deliver("F", cell, end);
      return true;
    }
    return false;
  }

  #backwardInputs(state: RankState, now: number): boolean {
    for (const queue of state.queues) {
      if (!(this.#gradientArrival(queue) <= now)) continue;
      const cell = this.#cells.cellOf(queue.stage, queue.microBatches[queue.numBackwards++]!);
      state.pendingWeights.push(cell);
      this.#deliver("B", cell, this.#run(state, "I", cell, now));
      return true;
    }
    return false;
  }

  #backwardWeights(state: RankState, now: number): boolean {
    const cell = state.pendingWeights.shift();
    if (cell === undefined) return false;
    state.numHeld--;
    this.#run(state, "W", cell, now);
    return true;
  }

  /** Appends the computation to the rank's program and returns its end. */
  #run(state: RankState, kind: "F" | "I" | "W", cell: number, now: number): number {
    const stage = this.#cells.stageOf(cell);
    this.#builders[state.rank]!.add(kind, stage, this.#cells.microBatchOf(cell));
    state.freeAt = now + this.#costs[kind][stage]!;
    this.#events.push(state.freeAt, state.rank);
    return state.freeAt;
  }

  /** Sends what the cell has made at `end` to the cell that takes it, if any. */
  #deliver(flow: Flow, cell: number, end: number): void {
    const value = this.#cells.consumerOf(flow, cell);
    if (value === NO_CELL) return;
    const { cost } = this.#options;
    const [from, to] = [this.#cells.rankOf(cell), this.#cells.rankOf(value)];
    const edge = cost.edges?.find((candidate) => candidate.from === from && candidate.to === to) ?? cost.link;
    const bytes = this.#costs.bytes[this.#cells.stageOf(Math.min(cell, value))]!;
    const transfer = to === from ? 0 : edge.latency + bytes / (edge.bandwidth ?? Number.POSITIVE_INFINITY);
    this.#arrive(flow, value, end + transfer);
  }

  #arrive(flow: Flow, value: number, time: number): void {
    this.#arrivals[flow][value] = time;
    this.#events.push(time, this.#cells.rankOf(value));
  }
}

/** The program of list scheduling; complete when `maxActivations` is at least the number of stages of a rank. */
export function listSchedule(options: ListScheduleOptions): Program {
  return new ListScheduler(options).run();
}
