import type { Addon, Bridge, Mailboxes } from "../../native/addon.ts";
import type { Runtime } from "../../tensor/runtime.ts";
import type { Carrier, Channel, Closing, Parcel } from "../carrier.ts";
import { MailboxGroup } from "../mailbox-group.ts";
import { CHANNEL_KINDS } from "../process-group.ts";
import type { ReturnedRanks, SentCount } from "../returned-ranks.ts";
import { glooOf, type ProcessLayout } from "./connect-processes.ts";

export interface GlooOptions {
  /** The name by which this process was connected. */
  readonly bridge: string;
  readonly layout: ProcessLayout;
  readonly rank: number;
  /** How long a receive waits before it gives up. */
  readonly timeoutMs?: number | undefined;
  /** Without it, a rank that waits for one that has returned waits until its timeout. */
  readonly returned?: ReturnedRanks | undefined;
}

/** Frames of the expected size, and announced ones. */
const TAGS_PER_CHANNEL = 2;

type Gloo = NonNullable<Addon["gloo"]>;

/**
 * Ranks of several processes, which communicate over Gloo; those of one process hand tensors over without a copy. The
 * process must be connected to the others already.
 */
export class GlooGroup extends MailboxGroup {
  readonly #gloo: Gloo;
  readonly #bridge: Bridge;
  readonly #carrier: GlooCarrier;

  constructor(runtime: Runtime, options: GlooOptions) {
    const gloo = glooOf(runtime.addon);
    const { rank, timeoutMs, layout } = options;
    const bridge = gloo.attach(options.bridge);
    const size = layout.numProcesses * layout.ranksPerProcess;
    const carrier = new GlooCarrier(runtime.addon, gloo, bridge, options);
    super(runtime, carrier, {
      name: "ranks",
      rank,
      size,
      timeoutMs,
    });
    this.#gloo = gloo;
    this.#bridge = bridge;
    this.#carrier = carrier;
  }

  /** What this rank has sent to other processes. */
  get sent(): readonly SentCount[] {
    return this.#carrier.sent;
  }

  /**
   * Ends this rank's part; nothing may be sent or received afterwards. The last rank of a process blocks until
   * everything sent is on its way and, when all ranks ended well, until the other processes leave.
   */
  leave({ well }: { readonly well: boolean }): void {
    this.#gloo.leave(this.#bridge, well);
  }
}

class GlooCarrier implements Carrier {
  readonly #addon: Addon;
  readonly #gloo: Gloo;
  readonly #bridge: Bridge;
  readonly #options: GlooOptions;
  /** The counts, by tag. */
  readonly #sent = new Map<number, SentCount>();

  constructor(addon: Addon, gloo: Gloo, bridge: Bridge, options: GlooOptions) {
    this.#addon = addon;
    this.#gloo = gloo;
    this.#bridge = bridge;
    this.#options = options;
  }

  open(name: string, numMailboxes: number): Mailboxes {
    return this.#gloo.open(this.#bridge, name, numMailboxes);
  }

  send(mailboxes: Mailboxes, channel: Channel, { handles, label, phases }: Parcel): void {
    const { index, destination, kind } = channel;
    const process = this.#processOf(destination);
    if (process === this.#options.layout.process) {
      this.#addon.mailbox.put(mailboxes, index, handles, label, ...phases);
      return;
    }
    const tag = this.#tagOf(channel);
    this.#gloo.send(this.#bridge, mailboxes, index, process, tag, handles, label, ...phases);
    this.#sent.set(tag, { destination, kind, count: 1 + (this.#sent.get(tag)?.count ?? 0) });
  }

  get sent(): readonly SentCount[] {
    return [...this.#sent.values()];
  }

  hasEnded(channel: Channel): boolean {
    const numSent = this.#options.returned?.numSentOn(channel);
    if (numSent === undefined) return false;
    const process = this.#processOf(channel.source);
    if (process === this.#options.layout.process) return true;
    return this.#gloo.numReceived(this.#bridge, process, this.#tagOf(channel)) >= numSent;
  }

  expect(channel: Channel): void {
    const process = this.#processOf(channel.source);
    if (process !== this.#options.layout.process)
      this.#gloo.listen(this.#bridge, process, this.#tagOf(channel));
  }

  close(prefix: string, { reason, level, fromPhase }: Closing): void {
    this.#gloo.abort(this.#options.bridge, prefix, reason, level, fromPhase);
  }

  #processOf(rank: number): number {
    return Math.floor(rank / this.#options.layout.ranksPerProcess);
  }

  /** A group of some of the ranks uses the same tags as the group of all: packets name their mailboxes. */
  #tagOf({ source, destination, kind }: Channel): number {
    const { numProcesses, ranksPerProcess } = this.#options.layout;
    const edge = source * numProcesses * ranksPerProcess + destination;
    return (edge * CHANNEL_KINDS.length + CHANNEL_KINDS.indexOf(kind)) * TAGS_PER_CHANNEL;
  }
}
