import type { Handle, Mailboxes } from "../native/addon.ts";
import type { Runtime } from "../tensor/runtime.ts";
import type { Channel } from "./carrier.ts";
import type { Receipt } from "./process-group.ts";

export interface InboxOptions {
  readonly runtime: Runtime;
  readonly mailboxes: Mailboxes;
  readonly timeoutMs: number;
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
    const { runtime, timeoutMs, explain } = this.#options;
    const startMs = performance.now();
    let message: (Handle | null)[];
    try {
      message = runtime.addon.mailbox.take(this.mailboxes, channel.index, timeoutMs);
    } catch (error) {
      throw explain(error, this, channel, performance.now() - startMs);
    }
    const first = queue.shift()!;
    first.arrived = message;
    this.#untaken.add(first);
  }
}
