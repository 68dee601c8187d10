import { type Placement, rankOf } from "../program/placement.ts";
import type { CostModel, StageCosts } from "./cost.ts";

/** Which way a value goes: an activation to the next stage, or a gradient to the previous one. */
export type Flow = "F" | "B";

/** The value has not been computed, sent or asked for. */
const UNKNOWN = Number.NaN;

/**
 * When values reach the stage that needs them. A value is named by the cell of that stage. A transfer starts
 * when it was both sent and asked for and the values before it have left its channel.
 */
export class Transfers {
  readonly #placement: Placement;
  readonly #numMicroBatches: number;
  readonly #bytes: Float64Array;
  readonly #latency: number;
  readonly #bandwidth: number;
  readonly #edges = new Map<number, { latency: number; bandwidth: number }>();
  readonly #channelFree = { F: new Map<number, number>(), B: new Map<number, number>() };
  /** NaN at first; `-1 - time` when one side of a transfer is there; then the time of arrival. */
  readonly #times: Readonly<Record<Flow, Float64Array>>;
  readonly #awaited: Readonly<Record<Flow, Uint8Array>>;
  /** How long each transfer took from when both sides were there; absent where all take the latency. */
  readonly #durations: Readonly<Record<Flow, Float32Array>> | undefined;

  constructor(placement: Placement, numMicroBatches: number, cost: CostModel, stages: StageCosts) {
    const numCells = placement.numStages * numMicroBatches;
    this.#placement = placement;
    this.#numMicroBatches = numMicroBatches;
    this.#bytes = stages.bytes;
    this.#latency = cost.link.latency;
    this.#bandwidth = cost.link.bandwidth ?? Infinity;
    for (const { from, to, latency, bandwidth = Infinity } of cost.edges ?? []) {
      this.#edges.set(from * placement.numRanks + to, { latency, bandwidth });
    }
    this.#times = {
      F: new Float64Array(numCells).fill(UNKNOWN),
      B: new Float64Array(numCells).fill(UNKNOWN),
    };
    this.#awaited = { F: new Uint8Array(numCells), B: new Uint8Array(numCells) };
    this.#durations =
      this.#bandwidth === Infinity && this.#edges.size === 0
        ? undefined
        : { F: new Float32Array(numCells), B: new Float32Array(numCells) };
  }

  /** When the value is there, or NaN while that is not known. */
  arrival(flow: Flow, cell: number): number {
    const time = this.#times[flow][cell]!;
    return time >= 0 ? time : UNKNOWN;
  }

  /** Marks the value as one that its receiver, or a sender that waits for its own send, stands still for. */
  awaited(flow: Flow, cell: number): void {
    this.#awaited[flow][cell] = 1;
  }

  isAwaited(flow: Flow, cell: number): boolean {
    return this.#awaited[flow][cell] === 1;
  }

  /** How long an arrived value from another rank was under way. */
  duration(flow: Flow, cell: number): number {
    return this.#durations === undefined ? this.#latency : this.#durations[flow][cell]!;
  }

  /** The value stays on its rank. */
  handOver(flow: Flow, cell: number, time: number): void {
    this.#times[flow][cell] = time;
  }

  /** Either side is ready from `time` on; returns whether the time of arrival is now known. */
  meet(flow: Flow, cell: number, time: number): boolean {
    const times = this.#times[flow];
    const known = times[cell]!;
    if (Number.isNaN(known)) {
      times[cell] = -1 - time;
      return false;
    }
    const ready = Math.max(-1 - known, time);
    if (this.#durations === undefined) {
      times[cell] = ready + this.#latency;
    } else {
      times[cell] = this.#sendThroughLink(flow, cell, ready);
      this.#durations[flow][cell] = times[cell]! - ready;
    }
    return true;
  }

  #sendThroughLink(flow: Flow, cell: number, ready: number): number {
    const stage = Math.floor(cell / this.#numMicroBatches);
    const microBatch = cell - stage * this.#numMicroBatches;
    const sender = flow === "F" ? stage - 1 : stage + 1;
    const edge =
      rankOf(this.#placement, sender, microBatch) * this.#placement.numRanks +
      rankOf(this.#placement, stage, microBatch);
    const { latency, bandwidth } = this.#edges.get(edge) ?? {
      latency: this.#latency,
      bandwidth: this.#bandwidth,
    };
    const start = Math.max(ready, this.#channelFree[flow].get(edge) ?? 0);
    // Both flows over a boundary carry tensors of the shape that the earlier stage puts out.
    const end = start + this.#bytes[Math.min(sender, stage)]! / bandwidth;
    this.#channelFree[flow].set(edge, end);
    return end + latency;
  }
}
