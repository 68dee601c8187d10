import type { Addon, Bridge, Mailboxes } from "../../native/addon.ts";
import type { Runtime } from "../../tensor/runtime.ts";
import type { Carrier, Channel, Closing, Parcel } from "../carrier.ts";
import { MailboxGroup } from "../mailbox-group.ts";
import { CHANNEL_KINDS } from "../process-group.ts";
import type { ReturnedRanks, SentCount } from "../returned-ranks.ts";
import type { ProcessLayout } from "./connect-processes.ts";

export interface BridgedGroupOptions {
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

/**
 * Ranks of several processes, which communicate over a bridge; those of one process hand tensors over without a copy.
 * The process must be connected to the others already.
 */
export class BridgedGroup extends MailboxGroup {
  readonly #addon: Addon;
  readonly #bridge: Bridge;
  readonly #carrier: BridgeCarrier;

  constructor(runtime: Runtime, options: BridgedGroupOptions) {
    const { rank, timeoutMs, layout } = options;
    const bridge = runtime.addon.processes.attach(options.bridge);
    const size = layout.numProcesses * layout.ranksPerProcess;
    const carrier = new BridgeCarrier(runtime, bridge, options);
    super(runtime, carrier, {
      name: "ranks",
      rank,
      size,
      timeoutMs,
    });
    this.#addon = runtime.addon;
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
    this.#addon.processes.leave(this.#bridge, well);
  }
}

class BridgeCarrier implements Carrier {
  readonly isWithinProcess = false;
  readonly connectsCards: boolean;
  readonly #addon: Addon;
  readonly #bridge: Bridge;
  readonly #options: BridgedGroupOptions;
  /** The counts, by tag. */
  readonly #sent = new Map<number, SentCount>();

  constructor({ addon, device }: Runtime, bridge: Bridge, options: BridgedGroupOptions) {
    this.connectsCards = device.kind === "cuda" && addon.processes.hasNccl;
    this.#addon = addon;
    this.#bridge = bridge;
    this.#options = options;
  }

  open(name: string, numMailboxes: number): Mailboxes {
    return this.#addon.processes.open(this.#bridge, name, numMailboxes);
  }

  send(mailboxes: Mailboxes, channel: Channel, { handles, label, phases }: Parcel): void {
    const { index, destination, kind } = channel;
    const process = this.#processOf(destination);
    if (process === this.#options.layout.process) {
      this.#addon.mailbox.put(mailboxes, index, handles, label, ...phases);
      return;
    }
    const tag = this.#tagOf(channel);
    this.#addon.processes.send(this.#bridge, mailboxes, index, process, tag, handles, label, ...phases);
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
    return this.#addon.processes.numReceived(this.#bridge, process, this.#tagOf(channel)) >= numSent;
  }

  expect(channel: Channel): void {
    const process = this.#processOf(channel.source);
    if (process !== this.#options.layout.process)
      this.#addon.processes.listen(this.#bridge, process, this.#tagOf(channel));
  }

  connect(channels: readonly Channel[], rank: number, timeoutMs: number): void {
    const ends = channels
      .map((channel) => {
        const isSender = channel.source === rank;
        const process = this.#processOf(isSender ? channel.destination : channel.source);
        return { process, tag: this.#tagOf(channel), isSender };
      })
      .filter(({ process }) => process !== this.#options.layout.process);
    this.#addon.processes.connectCards(this.#bridge, timeoutMs, ends);
  }

  close(prefix: string, { reason, level, fromPhase }: Closing): void {
    this.#addon.processes.abort(this.#options.bridge, prefix, reason, level, fromPhase);
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
