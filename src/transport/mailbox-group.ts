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
//
// A rank may fail in a step while a slower one is still in the step before, for which it lacks nothing. So transfers
// belong to phases, and an abort closes the mailboxes from the phase of its rank on: the slower rank hears of it when
// it gets there. The number of a phase says how many its rank has begun in the generation, and so it is the same on all
// ranks that take the same steps, also after some of them missed one. A subgroup's transfers belong to a phase of its
// own and to that of the group around it.

import { problemOf } from "../errors/dualpipe-error.ts";
import { checkDurations } from "../errors/duration.ts";
import { shown } from "../errors/shown.ts";
import type { Runtime } from "../tensor/runtime.ts";
import type { Carrier, Channel, Phases } from "./carrier.ts";
import { Inbox } from "./inbox.ts";
import {
  CHANNEL_KINDS,
  type ChannelKind,
  type Message,
  type ProcessGroup,
  type Receipt,
  type Route,
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
  /** The phases of the groups around a subgroup. */
  readonly #outerPhases: () => Phases;
  #generation = 0;
  #phase = 0;
  /** Those made so far, by mailbox: each message needs one. */
  readonly #channels: Channel[] = [];
  /** The phases of a group that has none around it, made once per phase. */
  #ownPhases: Phases = [0];
  /** That of the present generation. */
  #inbox: Inbox;

  constructor(
    runtime: Runtime,
    carrier: Carrier,
    options: GroupOptions,
    runRanks: readonly number[] = Array.from({ length: options.size }, (_, rank) => rank),
    outerPhases: () => Phases = () => [],
  ) {
    this.runtime = runtime;
    this.#carrier = carrier;
    this.#runRanks = runRanks;
    this.rank = options.rank;
    this.size = options.size;
    this.#name = options.name;
    checkDurations("a group", { timeoutMs: options.timeoutMs });
    this.#timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    this.#outerPhases = outerPhases;
    this.#inbox = this.#open();
  }

  get isWithinProcess(): boolean {
    return this.#carrier.isWithinProcess;
  }

  send(peer: number, kind: ChannelKind, message: Message, label = ""): void {
    const channel = this.#channel(this.rank, peer, kind);
    const handles = message.map((tensor) => tensor?.handle ?? null);
    const inbox = this.#inbox;
    try {
      this.#carrier.send(inbox.mailboxes, channel, { handles, label, phases: this.#phases() });
    } catch (error) {
      throw this.#explain(error, "send", inbox, channel, 0, label);
    }
  }

  receive(peer: number, kind: ChannelKind, label = ""): Receipt {
    const channel = this.#channel(peer, this.rank, kind);
    this.#carrier.expect(channel);
    return this.#inbox.post(channel, label, this.#phases());
  }

  get connectsCards(): boolean {
    return this.#carrier.connectsCards;
  }

  connectCards(routes: readonly Route[]): void {
    if (!this.connectsCards || routes.length === 0) return;
    const channels = routes.map(({ peer, kind, way }) =>
      way === "to" ? this.#channel(this.rank, peer, kind) : this.#channel(peer, this.rank, kind),
    );
    try {
      this.#carrier.connect(channels, this.#runRanks[this.rank]!, this.#timeoutMs);
    } catch (error) {
      const peers = [...new Set(routes.map(({ peer }) => peer))].sort((a, b) => a - b);
      throw new TransportError(
        "CARDS_NOT_CONNECTED",
        `rank ${this.rank} could not connect its card with those of rank ${peers.join(", ")}: ${problemOf(error)}; NCCL_DEBUG=INFO shows what NCCL tried, and DUALPIPE_CARDS=host does without it`,
        { group: this, cause: error },
      );
    }
  }

  beginPhase(): number {
    this.#ownPhases = [++this.#phase];
    return this.#phase;
  }

  abort(reason: string): void {
    const level = this.#outerPhases().length;
    this.#carrier.close(this.#generationName(), { reason, level, fromPhase: this.#phase });
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
    const generation = this.#generation;
    // What belongs to an earlier generation is in none of the phases of this one.
    const phases = () =>
      generation === this.#generation ? this.#phases() : this.#phases().map(() => Number.MAX_SAFE_INTEGER);
    return new MailboxGroup(this.runtime, this.#carrier, options, runRanks, phases);
  }

  #phases(): Phases {
    const outer = this.#outerPhases();
    return outer.length === 0 ? this.#ownPhases : [...outer, this.#phase];
  }

  #generationName(): string {
    return `${this.#name}#${this.#generation}.`;
  }

  #advance(): void {
    this.#inbox.discard();
    this.#generation++;
    this.#phase = 0;
    this.#ownPhases = [0];
    this.#inbox = this.#open();
  }

  #open(): Inbox {
    const numMailboxes = this.size * this.size * CHANNEL_KINDS.length;
    return new Inbox({
      runtime: this.runtime,
      mailboxes: this.#carrier.open(this.#generationName(), numMailboxes),
      timeoutMs: this.#timeoutMs,
      channels: () => this.#channelsHere(),
      hasEnded: (channel) => this.#carrier.hasEnded(channel),
      explain: (error, inbox, channel, waitedMs, label) =>
        this.#explain(error, "receive", inbox, channel, waitedMs, label),
    });
  }

  #channelsHere(): Channel[] {
    return Array.from({ length: this.size }, (_, source) =>
      CHANNEL_KINDS.map((kind) => this.#channel(source, this.rank, kind)),
    ).flat();
  }

  #channel(source: number, destination: number, kind: ChannelKind): Channel {
    this.#checkPeer(source);
    this.#checkPeer(destination);
    const kindIndex = CHANNEL_KINDS.indexOf(kind);
    if (kindIndex < 0)
      throw new TransportError(
        "INVALID_CHANNEL",
        `a message must be one of the kinds ${CHANNEL_KINDS.join(", ")}; got ${shown(kind)}`,
      );
    const index = (source * this.size + destination) * CHANNEL_KINDS.length + kindIndex;
    this.#channels[index] ??= {
      index,
      kind,
      source: this.#runRanks[source]!,
      destination: this.#runRanks[destination]!,
    };
    return this.#channels[index];
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
    label: string,
  ): unknown {
    const { code } = error as { code?: string };
    const said = problemOf(error);
    const peer = this.#runRanks.indexOf(operation === "send" ? destination : source);
    const transfer = { operation, rank: this.rank, peer, kind, waitedMs };
    switch (code) {
      case "MISMATCHED_MESSAGE":
        return new TransportError(code, { ...transfer, expected: label, received: said }, { group: this });
      case "TIMEOUT":
        return new TransportError(code, { ...transfer, waitedMs: this.#timeoutMs }, { group: this });
      case "RETURNED":
        return new TransportError(code, transfer, { group: this });
      case "ABORTED":
        if (inbox === this.#inbox) this.#advance();
        return new TransportError(code, { ...transfer, reason: said }, { group: this, cause: error });
      default:
        return error;
    }
  }
}
