import { ActionListBuilder } from "../program/action-list.ts";
import { type Placement, rankOf, stagesOf } from "../program/placement.ts";
import type { Program } from "../program/program.ts";
import { type CostModel, type StageCosts, stageCosts } from "../simulate/cost.ts";
import { EventQueue } from "./event-queue.ts";

/** What a free rank prefers, where it has a choice. */
export type Preference = "backward-first" | "forward-first" | "weight-early";

export interface ListScheduleOptions {
  readonly placement: Placement;
  readonly cost: CostModel;
  /** The most micro-batches of a stage that a rank may hold, from the start of F to the end of W. */
  readonly maxActivations: number;
  readonly preference: Preference;
  /** A weight backward is put off when an input backward is known to be ready within this share of its time. */
  readonly patience: number;
  /** The same for forwards. */
  readonly forwardPatience: number;
}

interface StageQueue {
  readonly stage: number;
  /** Micro-batches that pass this rank's copy of the stage, in order. */
  readonly microBatches: readonly number[];
  numForwards: number;
  numBackwards: number;
}

/** One rank's choices over time. */
class RankState {
  readonly queues: readonly StageQueue[];
  readonly pendingWeights: { stage: number; microBatch: number }[] = [];
  numHeld = 0;
  freeAt = 0;

  constructor(queues: readonly StageQueue[]) {
    this.queues = queues;
  }
}

/** Runs a step in time and lets every rank take, whenever it is free, what is ready and most urgent. */
class ListScheduler {
  readonly #options: ListScheduleOptions;
  readonly #numMicroBatches: number;
  readonly #costs: StageCosts;
  readonly #ranks: readonly RankState[];
  readonly #builders: readonly ActionListBuilder[];
  readonly #events = new EventQueue();
  /** When each stage's activation and gradient of a micro-batch are on its rank; NaN until known. */
  readonly #activationAt: Float64Array;
  readonly #gradientAt: Float64Array;

  constructor(options: ListScheduleOptions) {
    const { placement, cost } = options;
    const { numRanks, numStages } = placement;
    const numMicroBatches = placement.directionOfMicroBatch.length;
    this.#options = options;
    this.#numMicroBatches = numMicroBatches;
    this.#costs = stageCosts(cost, numStages);
    this.#activationAt = new Float64Array(numStages * numMicroBatches)
      .fill(Number.NaN)
      .fill(0, 0, numMicroBatches);
    this.#gradientAt = new Float64Array(numStages * numMicroBatches).fill(Number.NaN);
    const all = Array.from({ length: numMicroBatches }, (_, microBatch) => microBatch);
    this.#ranks = Array.from({ length: numRanks }, (_, rank) => {
      const queues = stagesOf(placement, rank).map((stage) => ({
        stage,
        microBatches: all.filter((microBatch) => rankOf(placement, stage, microBatch) === rank),
        numForwards: 0,
        numBackwards: 0,
      }));
      // Later stages first: what is nearer to the loss frees memory sooner.
      return new RankState(queues.toReversed());
    });
    this.#builders = this.#ranks.map(() => new ActionListBuilder(numMicroBatches));
  }

  run(): Program {
    const { placement } = this.#options;
    for (let rank = 0; rank < placement.numRanks; rank++) this.#events.push(0, rank);
    for (let event = this.#events.pop(); event !== undefined; event = this.#events.pop()) {
      const state = this.#ranks[event.value]!;
      if (state.freeAt <= event.time) this.#act(event.value, state, event.time);
    }
    return {
      schedule: "searched",
      numRanks: placement.numRanks,
      numStages: placement.numStages,
      numMicroBatches: this.#numMicroBatches,
      forwardOnly: false,
      communication: "none",
      placement,
      ranks: this.#builders.map((builder) => builder.finish()),
    };
  }

  #act(rank: number, state: RankState, now: number): void {
    const isFull = state.numHeld >= this.#options.maxActivations;
    const { preference } = this.#options;
    if (preference === "weight-early" && isFull && this.#weight(rank, state, now)) return;
    if (preference === "forward-first" && this.#forward(rank, state, now)) return;
    if (this.#backward(rank, state, now)) return;
    if (preference !== "forward-first" && this.#forward(rank, state, now)) return;
    const pending = state.pendingWeights[0];
    if (pending === undefined) return;
    const patience = isFull && this.#options.patience < 1 ? 0 : this.#options.patience;
    if (!this.#hasBackwardBy(state, now, patience * this.#costs.W[pending.stage]!))
      this.#weight(rank, state, now);
  }

  /** Whether an input backward becomes ready so soon that anything else would be in its way. */
  #hasBackwardBy(state: RankState, now: number, delay: number): boolean {
    return state.queues.some((queue) => {
      const gradient = this.#gradientOf(queue);
      return gradient > now && gradient < now + delay;
    });
  }

  #gradientOf(queue: StageQueue): number {
    if (queue.numBackwards >= queue.numForwards) return Number.NaN;
    return this.#gradientAt[queue.stage * this.#numMicroBatches + queue.microBatches[queue.numBackwards]!]!;
  }

  #forward(rank: number, state: RankState, now: number): boolean {
    for (const [index, queue] of state.queues.entries()) {
      const microBatch = queue.microBatches[queue.numForwards];
      if (microBatch === undefined) continue;
      // Every later stage of the rank needs a place, or the first one would fill all and none could go on.
      if (state.numHeld + index >= this.#options.maxActivations) continue;
      const { stage } = queue;
      if (!(this.#activationAt[stage * this.#numMicroBatches + microBatch]! <= now)) continue;
      const delay = this.#options.forwardPatience * this.#costs.F[stage]!;
      if (this.#hasBackwardBy(state, now, delay)) return false;
      queue.numForwards++;
      state.numHeld++;
      const end = this.#occupy(rank, state, "F", stage, microBatch, now, this.#costs.F[stage]!);
      if (stage === this.#options.placement.numStages - 1)
        this.#arrive(this.#gradientAt, rank, stage, microBatch, end);
      else this.#deliver(this.#activationAt, rank, stage, stage + 1, microBatch, end);
      return true;
    }
    return false;
  }

  #backward(rank: number, state: RankState, now: number): boolean {
    for (const queue of state.queues) {
      if (!(this.#gradientOf(queue) <= now)) continue;
      const { stage } = queue;
      const microBatch = queue.microBatches[queue.numBackwards++]!;
      state.pendingWeights.push({ stage, microBatch });
      const end = this.#occupy(rank, state, "I", stage, microBatch, now, this.#costs.I[stage]!);
      if (stage > 0) this.#deliver(this.#gradientAt, rank, stage, stage - 1, microBatch, end);
      return true;
    }
    return false;
  }

  #weight(rank: number, state: RankState, now: number): boolean {
    const pending = state.pendingWeights.shift();
    if (pending === undefined) return false;
    state.numHeld--;
    this.#occupy(rank, state, "W", pending.stage, pending.microBatch, now, this.#costs.W[pending.stage]!);
    return true;
  }

  #occupy(
    rank: number,
    state: RankState,
    kind: "F" | "I" | "W",
    stage: number,
    microBatch: number,
    now: number,
    duration: number,
  ): number {
    this.#builders[rank]!.add(kind, stage, microBatch);
    state.freeAt = now + duration;
    this.#events.push(state.freeAt, rank);
    return state.freeAt;
  }

  #deliver(
    times: Float64Array,
    from: number,
    stage: number,
    target: number,
    microBatch: number,
    end: number,
  ): void {
    const { placement, cost } = this.#options;
    const to = rankOf(placement, target, microBatch);
    const edge = cost.edges?.find((candidate) => candidate.from === from && candidate.to === to) ?? cost.link;
    const bytes = this.#costs.bytes[Math.min(stage, target)]!;
    const transfer = to === from ? 0 : edge.latency + bytes / (edge.bandwidth ?? Number.POSITIVE_INFINITY);
    this.#arrive(times, to, target, microBatch, end + transfer);
  }

  #arrive(times: Float64Array, rank: number, stage: number, microBatch: number, time: number): void {
    times[stage * this.#numMicroBatches + microBatch] = time;
    this.#events.push(time, rank);
  }
}

/**
 * A program for the given costs, by list scheduling. It is complete when `maxActivations` is at least the
 * number of stages that a rank holds.
 */
export function listSchedule(options: ListScheduleOptions): Program {
  return new ListScheduler(options).run();
}
