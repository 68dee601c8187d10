import type { Handle, Mailboxes } from "../native/addon.ts";
import type { Runtime } from "../tensor/runtime.ts";
import type { Channel } from "./carrier.ts";
import type { Receipt } from "./process-group.ts";
import { RETURN_CHECK_MS } from "./returned-ranks.ts";
import { TransportError } from "./transport-error.ts";

export interface InboxOptions {
  readonly runtime: Runtime;
  readonly mailboxes: Mailboxes;
  readonly timeoutMs: number;
  /** True when nothing more will arrive on the channel. */
  readonly hasEnded: (channel: Channel) => boolean;
  /** The error to throw when native code refused a receive. */
  readonly explain: (error: unknown, inbox: Inbox, channel: Channel, waitedMs: number) => unknown;
}

/** A receipt, and the tensors of its message once they have arrived, until they are taken. */
interface PostedReceipt extends Receipt {
  arrived: readonly (Handle | null)[] | undefined;
}

/**
 * The receives of one rank from one set of mailboxes. A mailbox gives its oldest message to the next reader; an inbox
 * gives it to the receive that was posted first, whichever of them is waited for first.
 */
export class Inbox {
  readonly mailboxes: Mailboxes;
  readonly #options: InboxOptions;
  /** The receipts of each channel without a message, in the order of posting. */
  readonly #posted = new Map<number, PostedReceipt[]>();
  readonly #untaken = new Set<PostedReceipt>();

  constructor(options: InboxOptions) {
    this.#options = options;
    this.mailboxes = options.mailboxes;
  }

  post(channel: Channel): Receipt {
    const { runtime } = this.#options;
    const queue = this.#queueOf(channel);
    const receipt: PostedReceipt = {
      arrived: undefined,
      isDone: () => {
        while (receipt.arrived === undefined && this.#hasMail(channel)) this.#serveNext(channel, queue);
        return receipt.arrived !== undefined;
      },
      wait: () => {
        while (receipt.arrived === undefined) this.#serveNext(channel, queue);
      },
      take: () => {
        receipt.wait();
        this.#untaken.delete(receipt);
        return receipt.arrived!.map((handle) => (handle === null ? null : runtime.adoptHandle(handle)));
      },
    };
    queue.push(receipt);
    return receipt;
  }

  /** Frees the messages that arrived and were not taken. Their receipts then fail like those that wait. */
  discard(): void {
    for (const receipt of this.#untaken) {
      for (const handle of receipt.arrived!) if (handle !== null) this.#options.runtime.addon.free(handle);
      receipt.arrived = undefined;
    }
    this.#untaken.clear();
  }

  #queueOf({ index }: Channel): PostedReceipt[] {
    let queue = this.#posted.get(index);
    if (queue === undefined) {
      queue = [];
      this.#posted.set(index, queue);
    }
    return queue;
  }

  #hasMail(channel: Channel): boolean {
    const { mailbox } = this.#options.runtime.addon;
    try {
      return mailbox.arrived(this.mailboxes, channel.index);
    } catch (error) {
      throw this.#options.explain(error, this, channel, 0);
    }
  }

  #serveNext(channel: Channel, queue: PostedReceipt[]): void {
    const { explain } = this.#options;
    const startMs = performance.now();
    let message: (Handle | null)[];
    try {
      message = this.#take(channel, startMs);
    } catch (error) {
      throw explain(error, this, channel, performance.now() - startMs);
    }
    const first = queue.shift()!;
    first.arrived = message;
    this.#untaken.add(first);
  }

  /** Waits for the next message, and looks from time to time whether one can still come. */
  #take(channel: Channel, startMs: number): (Handle | null)[] {
    const { runtime, timeoutMs, hasEnded } = this.#options;
    const { mailbox } = runtime.addon;
    for (let ended = false; ; ended = hasEnded(channel)) {
      const leftMs = timeoutMs - (performance.now() - startMs);
      try {
        return mailbox.take(this.mailboxes, channel.index, ended ? 0 : Math.min(leftMs, RETURN_CHECK_MS));
      } catch (error) {
        if ((error as { code?: string }).code !== "TIMEOUT") throw error;
        if (ended) throw new TransportError("RETURNED", "nothing more will arrive");
        if (leftMs <= RETURN_CHECK_MS) throw error;
      }
    }
  }
}
