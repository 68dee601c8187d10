// Receives that are posted before their messages come.
//
// A mailbox (native/mailbox.cpp) gives its oldest message to the next reader. But a rank posts receives early and waits
// for them in another order, so the message of the second receipt would go to whichever is waited for first.
//
// So the inbox has a queue of receipts for each channel, and a wait for one serves those before it first. It
// waits in slices, and looks between them whether the message can still come. Invariant: the k-th receipt of a channel
// gets its k-th message, or an error that says why not.
import type { Handle, Mailboxes } from "../native/addon.ts";
import type { Runtime } from "../tensor/runtime.ts";
import type { Channel, Phases } from "./carrier.ts";
import type { Receipt } from "./process-group.ts";
import { RETURN_CHECK_MS } from "./returned-ranks.ts";
import { TransportError } from "./transport-error.ts";

export interface InboxOptions {
  readonly runtime: Runtime;
  readonly mailboxes: Mailboxes;
  readonly timeoutMs: number;
  /** True when nothing more will arrive on the channel. */
  readonly hasEnded: (channel: Channel) => boolean;
  /** All channels that end here. */
  readonly channels: () => readonly Channel[];
  /** The error to throw when native code refused a receive; `label` is the one that it expected. */
  readonly explain: (
    error: unknown,
    inbox: Inbox,
    channel: Channel,
    waitedMs: number,
    label: string,
  ) => unknown;
}

/** A receipt, and the tensors of its message once they have arrived, until they are taken. */
interface PostedReceipt extends Receipt {
  readonly label: string;
  /** The phases in which it was posted. */
  readonly phases: Phases;
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
  #isDiscarded = false;

  constructor(options: InboxOptions) {
    this.#options = options;
    this.mailboxes = options.mailboxes;
  }

  post(channel: Channel, label: string, phases: Phases): Receipt {
    const { runtime } = this.#options;
    const queue = this.#queueOf(channel);
    const receipt: PostedReceipt = {
      label,
      phases,
      arrived: undefined,
      isDone: () => {
        while (receipt.arrived === undefined && this.#hasMail(channel, receipt))
          this.#serveNext(channel, queue, receipt);
        return receipt.arrived !== undefined;
      },
      wait: () => {
        while (receipt.arrived === undefined) this.#serveNext(channel, queue, receipt);
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
    this.#isDiscarded = true;
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

  #hasMail(channel: Channel, receipt: PostedReceipt): boolean {
    const { mailbox } = this.#options.runtime.addon;
    try {
      return mailbox.arrived(this.mailboxes, channel.index, ...this.#phasesOf(receipt));
    } catch (error) {
      throw this.#options.explain(error, this, channel, 0, receipt.label);
    }
  }

  /** Once the messages were discarded, each receipt fails, whatever its phase. */
  #phasesOf({ phases }: PostedReceipt): Phases {
    return this.#isDiscarded ? phases.map(() => Number.MAX_SAFE_INTEGER) : phases;
  }

  #serveNext(channel: Channel, queue: PostedReceipt[], waiting: PostedReceipt): void {
    // A receipt whose message was discarded is in the queue no longer.
    const first = queue[0] ?? waiting;
    first.arrived = this.#take(channel, first);
    queue.shift();
    this.#untaken.add(first);
  }

  /** Waits for the next message, and looks from time to time whether it can still come. */
  #take(channel: Channel, receipt: PostedReceipt): (Handle | null)[] {
    const { runtime, timeoutMs, hasEnded, explain } = this.#options;
    const { label } = receipt;
    const phases = this.#phasesOf(receipt);
    const startMs = performance.now();
    const failure = (error: unknown) =>
      explain(error, this, channel, performance.now() - startMs, receipt.label);
    for (let ended = false; ; ended = hasEnded(channel)) {
      const leftMs = timeoutMs - (performance.now() - startMs);
      const waitMs = ended ? 0 : Math.min(leftMs, RETURN_CHECK_MS);
      try {
        return runtime.addon.mailbox.take(this.mailboxes, channel.index, waitMs, label, ...phases);
      } catch (error) {
        if ((error as { code?: string }).code !== "TIMEOUT") throw failure(error);
        this.#refuseOtherActivity(receipt, performance.now() - startMs);
        if (ended) throw failure(new TransportError("RETURNED", "nothing more will arrive"));
        if (leftMs <= RETURN_CHECK_MS) throw failure(error);
      }
    }
  }

  /**
   * A rank that waits without success may have the reason in another mailbox: a message of the same phase, whose
   * sender does something else there.
   */
  #refuseOtherActivity(receipt: PostedReceipt, waitedMs: number): void {
    const { runtime, channels, explain } = this.#options;
    const activity = activityOf(receipt.label);
    if (activity === undefined) return;
    for (const channel of channels()) {
      const phases = this.#phasesOf(receipt);
      const label = runtime.addon.mailbox.peek(this.mailboxes, channel.index, ...phases) ?? "";
      if ((activityOf(label) ?? activity) !== activity)
        throw explain(new TransportError("MISMATCHED_MESSAGE", label), this, channel, waitedMs, activity);
    }
  }
}

/** What all ranks do in a phase, if the label says it: the part before its colon. */
function activityOf(label: string): string | undefined {
  const end = label.indexOf(": ");
  return end < 0 ? undefined : label.slice(0, end);
}
