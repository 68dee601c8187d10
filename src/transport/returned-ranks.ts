/**
 * Which ranks have returned, so that a rank does not wait for a message that never comes.
 *
 * A rank that returns is no failure: what it has sent is still on its way, and perhaps no rank waits for more. Only
 * its receivers can tell, each for its own channel: the sender has returned, and everything that it sent has been
 * taken. A rank blocks its thread while it waits, so the answer lies in memory that all ranks of a process share: for
 * each channel whose sender has returned, the number of messages that it sent. For a sender of the same process the
 * number is not needed, because its messages are in their mailboxes as soon as they are sent, and 0 stands for it.
 *
 * A waiting rank looks here every RETURN_CHECK_MS, so that a message which does come costs nothing more.
 */
import type { Channel } from "./carrier.ts";
import { CHANNEL_KINDS, type ChannelKind } from "./process-group.ts";

/** How long a rank waits before it looks whether the sender has returned. */
export const RETURN_CHECK_MS = 250;

/** How many messages of a kind a rank has sent to a rank of another process. */
export interface SentCount {
  readonly destination: number;
  readonly kind: ChannelKind;
  readonly count: number;
}

/** The ranks of a process, and of the run. */
export interface RankRange {
  readonly numRanks: number;
  readonly firstRank: number;
  readonly numOwnRanks: number;
}

export class ReturnedRanks {
  /** To hand to the other threads of the process. */
  readonly memory: SharedArrayBuffer;
  readonly #ranks: RankRange;
  /** For each source, own destination and kind: one more than the number of messages; 0 while the source runs. */
  readonly #counts: Int32Array;

  constructor(ranks: RankRange, memory?: SharedArrayBuffer) {
    const numChannels = ranks.numRanks * ranks.numOwnRanks * CHANNEL_KINDS.length;
    this.memory = memory ?? new SharedArrayBuffer(numChannels * Int32Array.BYTES_PER_ELEMENT);
    this.#ranks = ranks;
    this.#counts = new Int32Array(this.memory);
  }

  /** Records that a rank has returned, and what it has sent to this process from another one. */
  add(source: number, sent: readonly SentCount[] = []): void {
    const { firstRank, numOwnRanks } = this.#ranks;
    for (let destination = firstRank; destination < firstRank + numOwnRanks; destination++)
      for (const kind of CHANNEL_KINDS) {
        const found = sent.find((each) => each.destination === destination && each.kind === kind);
        Atomics.store(this.#counts, this.#indexOf({ source, destination, kind }), 1 + (found?.count ?? 0));
      }
  }

  /** How many messages the channel's sender sent before it returned; undefined while it runs. */
  numSentOn(channel: Omit<Channel, "index">): number | undefined {
    const count = Atomics.load(this.#counts, this.#indexOf(channel));
    return count === 0 ? undefined : count - 1;
  }

  #indexOf({ source, destination, kind }: Omit<Channel, "index">): number {
    const { firstRank, numOwnRanks } = this.#ranks;
    const edge = source * numOwnRanks + destination - firstRank;
    return edge * CHANNEL_KINDS.length + CHANNEL_KINDS.indexOf(kind);
  }
}
