// The contract of a ProcessGroup on top of mailboxes, the same for every transport: see carrier.ts.
//
// The hard part is failure. When one rank fails, each of the others must hear of it exactly once, wherever it is, and
// then all must be able to go on. It cannot be done by a message: the others may be waiting for another one. And a flag
// that all see must be taken back at some time, before which a fast rank would see it twice and after which a slow one
// would never see it.
//
// So a group lives in generations. The mailboxes of a generation have a name with its number. An abort closes them for
// good, which ends every wait in them, now and later. A rank that finds its mailboxes closed throws one ABORTED error
// and opens those of the next generation, and so does the rank that aborts. What was under way belongs to the old name
// and is lost with it. Invariant: a rank advances by one generation per abort, in whatever transfer it hears of it, so
// that all ranks find each other in the same one. A receipt from before an abort that its rank has heard of fails
// again, but does not count.
import type { Runtime } from "../tensor/runtime.ts";
import type { Carrier, Channel } from "./carrier.ts";
import { Inbox } from "./inbox.ts";
import {
  CHANNEL_KINDS,
  type ChannelKind,
  type Message,
  type ProcessGroup,
  type Receipt,
} from "./process-group.ts";
import { TransportError } from "./transport-error.ts";

export interface GroupOptions {
  /** Names the group in its process: its ranks use the same name, and other groups another. */
  readonly name: string;
  readonly rank: number;
  readonly size: number;
  /** How long a receive waits before it gives up. */
  readonly timeoutMs?: number | undefined;
}

const DEFAULT_TIMEOUT_MS = 600_000;

/** A group whose messages wait in mailboxes of the receiver's process, to which a carrier brings them. */
export class MailboxGroup implements ProcessGroup {
  readonly runtime: Runtime;
  readonly rank: number;
  readonly size: number;
  readonly root = this;
  readonly #carrier: Carrier;
  /** The run's rank of each rank of the group. */
  readonly #runRanks: readonly number[];
  readonly #name: string;
  readonly #timeoutMs: number;
  #generation = 0;
  /** That of the present generation. */
  #inbox: Inbox;

  constructor(
    runtime: Runtime,
    carrier: Carrier,
    options: GroupOptions,
    runRanks: readonly number[] = Array.from({ length: options.size }, (_, rank) => rank),
  ) {
    this.runtime = runtime;
    this.#carrier = carrier;
    this.#runRanks = runRanks;
    this.rank = options.rank;
    this.size = options.size;
    this.#name = options.name;
    this.#timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    this.#inbox = this.#open();
  }

  send(peer: number, kind: ChannelKind, message: Message): void {
    const channel = this.#channel(this.rank, peer, kind);
    const handles = message.map((tensor) => tensor?.handle ?? null);
    const inbox = this.#inbox;
    try {
      this.#carrier.send(inbox.mailboxes, channel, handles);
    } catch (error) {
      throw this.#explain(error, "send", inbox, channel, 0);
    }
  }

  receive(peer: number, kind: ChannelKind): Receipt {
    const channel = this.#channel(peer, this.rank, kind);
    this.#carrier.expect(channel);
    return this.#inbox.post(channel);
  }

  abort(reason: string): void {
    this.#carrier.close(this.#generationName(), reason);
    this.#advance();
  }

  subgroup(ranks: readonly number[]): ProcessGroup {
    for (const rank of ranks) this.#checkPeer(rank);
    if (new Set(ranks).size !== ranks.length)
      throw new TransportError("INVALID_PEER", `a group has each of its ranks once; got ${ranks.join(", ")}`);
    const rank = ranks.indexOf(this.rank);
    if (rank < 0)
      throw new TransportError(
        "INVALID_PEER",
        `rank ${this.rank} is not in the group of the ranks ${ranks.join(", ")}`,
      );
    const name = `${this.#generationName()}/${ranks.join(",")}`;
    const options = { name, rank, size: ranks.length, timeoutMs: this.#timeoutMs };
    const runRanks = ranks.map((each) => this.#runRanks[each]!);
    return new MailboxGroup(this.runtime, this.#carrier, options, runRanks);
  }

  #generationName(): string {
    return `${this.#name}#${this.#generation}.`;
  }

  #advance(): void {
    this.#inbox.discard();
    this.#generation++;
    this.#inbox = this.#open();
  }

  #open(): Inbox {
    const numMailboxes = this.size * this.size * CHANNEL_KINDS.length;
    return new Inbox({
      runtime: this.runtime,
      mailboxes: this.#carrier.open(this.#generationName(), numMailboxes),
      timeoutMs: this.#timeoutMs,
      hasEnded: (channel) => this.#carrier.hasEnded(channel),
      explain: (error, inbox, channel, waitedMs) => this.#explain(error, "receive", inbox, channel, waitedMs),
    });
  }

  #channel(source: number, destination: number, kind: ChannelKind): Channel {
    this.#checkPeer(source);
    this.#checkPeer(destination);
    const kindIndex = CHANNEL_KINDS.indexOf(kind);
    if (kindIndex < 0)
      throw new TransportError(
        "INVALID_CHANNEL",
        `a message must be one of the kinds ${CHANNEL_KINDS.join(", ")}; got ${JSON.stringify(kind)}`,
      );
    const index = (source * this.size + destination) * CHANNEL_KINDS.length + kindIndex;
    return { index, kind, source: this.#runRanks[source]!, destination: this.#runRanks[destination]! };
  }

  #checkPeer(peer: number): void {
    if (!Number.isInteger(peer) || peer < 0 || peer >= this.size)
      throw new TransportError("INVALID_PEER", `there is no rank ${peer} in a group of ${this.size}`);
  }

  /** Native code throws a code and a reason; what was transferred is added here. */
  #explain(
    error: unknown,
    operation: "send" | "receive",
    inbox: Inbox,
    { kind, source, destination }: Channel,
    waitedMs: number,
  ): unknown {
    const { code, message } = error as { code?: string; message: string };
    if (code !== "ABORTED" && code !== "TIMEOUT" && code !== "RETURNED") return error;
    const peer = this.#runRanks.indexOf(operation === "send" ? destination : source);
    const transfer = { operation, rank: this.rank, peer, kind };
    if (code === "TIMEOUT")
      return new TransportError(code, { ...transfer, waitedMs: this.#timeoutMs }, { group: this });
    if (code === "RETURNED") return new TransportError(code, { ...transfer, waitedMs }, { group: this });
    if (inbox === this.#inbox) this.#advance();
    return new TransportError(
      code,
      { ...transfer, waitedMs, reason: message },
      { cause: error, group: this },
    );
  }
}
