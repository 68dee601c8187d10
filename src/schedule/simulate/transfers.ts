import type { Cells, Flow } from "../program/cells.ts";
import { ScheduleError } from "../program/schedule-error.ts";
import type { CostModel, StageCosts } from "./cost.ts";
import type { Stalls } from "./stalls.ts";

/** The value has not been computed, sent or asked for. */
const UNKNOWN = Number.NaN;

/**
 * The times at which values reach the cells that take them. A transfer starts when its SEND and its RECV have both
 * started and the values before it have left its channel.
 */
export class Transfers {
  readonly #cells: Cells;
  readonly #numRanks: number;
  readonly #bytes: Float64Array;
  readonly #latency: number;
  readonly #bandwidth: number;
  readonly #edges = new Map<number, { latency: number; bandwidth: number }>();
  readonly #channelFree = { F: new Map<number, number>(), B: new Map<number, number>() };
  /** NaN at first; `-1 - time` when one side of a transfer has started; then the time of arrival. */
  readonly #times: Readonly<Record<Flow, Float64Array>>;
  readonly #awaited: Readonly<Record<Flow, Uint8Array>>;
  /** The time from the start of both sides to the arrival; absent where every transfer takes the latency. */
  readonly #durations: Readonly<Record<Flow, Float32Array>> | undefined;

  readonly #stalls: Stalls;

  constructor(cells: Cells, numRanks: number, cost: CostModel, stages: StageCosts, stalls: Stalls) {
    this.#stalls = stalls;
    const { numCells } = cells;
    this.#cells = cells;
    this.#numRanks = numRanks;
    this.#bytes = stages.bytes;
    this.#latency = cost.link.latency;
    this.#bandwidth = cost.link.bandwidth ?? Infinity;
    for (const { from, to, latency, bandwidth = Infinity } of cost.edges ?? []) {
      checkEdge(from, to, numRanks);
      this.#edges.set(from * numRanks + to, { latency, bandwidth });
    }
    this.#times = {
      F: new Float64Array(numCells).fill(UNKNOWN),
      B: new Float64Array(numCells).fill(UNKNOWN),
    };
    this.#awaited = { F: new Uint8Array(numCells), B: new Uint8Array(numCells) };
    this.#durations =
      this.#bandwidth === Infinity && this.#edges.size === 0 && !stalls.hasLinks
        ? undefined
        : { F: new Float32Array(numCells), B: new Float32Array(numCells) };
  }

  /** The time at which the value arrives, or NaN while that is not known. */
  arrival(flow: Flow, value: number): number {
    const time = (flow === "F" ? this.#times.F : this.#times.B)[value]!;
    return time >= 0 ? time : UNKNOWN;
  }

  /** Marks the value as one that its receiver waits for, or a sender that waits for the end of its own send. */
  setAwaited(flow: Flow, value: number): void {
    (flow === "F" ? this.#awaited.F : this.#awaited.B)[value] = 1;
  }

  isAwaited(flow: Flow, value: number): boolean {
    return (flow === "F" ? this.#awaited.F : this.#awaited.B)[value] === 1;
  }

  /** The time that an arrived value from another rank was under way. */
  duration(flow: Flow, value: number): number {
    return this.#durations === undefined ? this.#latency : this.#durations[flow][value]!;
  }

  /** The value stays on its rank and is there at `time`. */
  handOver(flow: Flow, value: number, time: number): void {
    (flow === "F" ? this.#times.F : this.#times.B)[value] = time;
  }

  /** Both sides of the transfer start at `time`. */
  send(flow: Flow, value: number, time: number): void {
    if (this.#durations === undefined) this.handOver(flow, value, time + this.#latency);
    else this.#arrive(flow, value, time);
  }

  #arrive(flow: Flow, value: number, ready: number): void {
    const arrival = this.#sendThroughLink(flow, value, ready);
    (flow === "F" ? this.#times.F : this.#times.B)[value] = arrival;
    this.#durations![flow][value] = arrival - ready;
  }

  /** One side of the transfer starts at `time`; returns whether the arrival is now known. */
  start(flow: Flow, value: number, time: number): boolean {
    const times = flow === "F" ? this.#times.F : this.#times.B;
    const known = times[value]!;
    if (Number.isNaN(known)) {
      times[value] = -1 - time;
      return false;
    }
    const ready = Math.max(-1 - known, time);
    if (this.#durations === undefined) {
      times[value] = ready + this.#latency;
    } else this.#arrive(flow, value, ready);
    return true;
  }

  /** The time of arrival over the edge's own link, after the values before it in the channel. */
  #sendThroughLink(flow: Flow, value: number, ready: number): number {
    const producer = this.#cells.producerOf(flow, value);
    const [sender, receiver] = [this.#cells.rankOf(producer), this.#cells.rankOf(value)];
    const edge = sender * this.#numRanks + receiver;
    const { latency, bandwidth } = this.#edges.get(edge) ?? {
      latency: this.#latency,
      bandwidth: this.#bandwidth,
    };
    const free = Math.max(ready, this.#channelFree[flow].get(edge) ?? 0);
    const start = this.#stalls.startOnLink(sender, receiver, free);
    // An activation gradient has the shape of its activation, which is an output of the earlier of the two stages.
    const earlierStage = this.#cells.stageOf(Math.min(producer, value));
    const end = start + this.#bytes[earlierStage]! / bandwidth;
    this.#channelFree[flow].set(edge, end);
    return end + latency;
  }
}

/** @throws ScheduleError `INVALID_COST` */
function checkEdge(from: number, to: number, numRanks: number): void {
  const isRank = (rank: number) => Number.isInteger(rank) && rank >= 0 && rank < numRanks;
  if (isRank(from) && isRank(to) && from !== to) return;
  throw new ScheduleError(
    "INVALID_COST",
    `cost: an edge must lead from one of the ${numRanks} ranks to another; got one from ${from} to ${to}; correct it`,
  );
}
