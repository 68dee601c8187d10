import type { Handle, PostOffice } from "../native/addon.ts";
import type { Runtime } from "../tensor/runtime.ts";
import {
  CHANNEL_KINDS,
  type ChannelKind,
  type Message,
  type ProcessGroup,
  type Receipt,
} from "./process-group.ts";
import { TransportError } from "./transport-error.ts";

export interface GroupOptions {
  /** Shared by the group's ranks and by nobody else. */
  readonly name: string;
  readonly rank: number;
  readonly size: number;
  /** How long a receive waits before it gives up. */
  readonly timeoutMs?: number | undefined;
}

/** One of a group's boxes; `source` and `destination` are ranks of the group. */
export interface Box {
  readonly index: number;
  readonly kind: ChannelKind;
  readonly source: number;
  readonly destination: number;
}

/** How letters get from rank to rank, and where they wait to be taken. */
export interface Carrier {
  /** The group's post office in this process; made at the first call of a name. */
  open(name: string, numBoxes: number): PostOffice;
  send(office: PostOffice, box: Box, letter: readonly (Handle | null)[]): void;
  /** Letters of this box are asked for from now on. */
  expect(box: Box): void;
  /** Ends every wait in the offices whose names begin so, wherever they are. */
  close(prefix: string, reason: string): void;
  /** That of a group of some of the ranks. */
  subset(ranks: readonly number[]): Carrier;
}

/** A receive, and what the mailbox had for it. */
interface PostedReceive {
  letter: readonly (Handle | null)[] | undefined;
}

const DEFAULT_TIMEOUT_MS = 600_000;

/** A group whose messages wait in mailboxes of the receiver's process, however a carrier brings them there. */
export class MailboxGroup implements ProcessGroup {
  readonly runtime: Runtime;
  readonly rank: number;
  readonly size: number;
  readonly root = this;
  readonly #carrier: Carrier;
  readonly #name: string;
  readonly #timeoutMs: number;
  #office: PostOffice;
  /** By box: receives that have no letter yet, in the order of posting. */
  #posted: PostedReceive[][];
  /** Receives whose letter is here, while nobody has taken it. */
  readonly #untaken = new Set<PostedReceive>();
  /** Grows when the group was aborted: what was under way then is lost, and the ranks meet again under a new name. */
  #generation = 0;

  constructor(runtime: Runtime, carrier: Carrier, options: GroupOptions) {
    this.runtime = runtime;
    this.#carrier = carrier;
    this.rank = options.rank;
    this.size = options.size;
    this.#name = options.name;
    this.#timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    this.#office = this.#open();
    this.#posted = emptyQueues(this.#numBoxes);
  }

  send(peer: number, kind: ChannelKind, message: Message): void {
    const box = this.#box(this.rank, peer, kind);
    const handles = message.map((tensor) => tensor?.handle ?? null);
    const office = this.#office;
    this.#guard(office, `sending ${kind} to rank ${peer}`, () => this.#carrier.send(office, box, handles));
  }

  receive(peer: number, kind: ChannelKind): Receipt {
    const { mailbox } = this.runtime.addon;
    const office = this.#office;
    const box = this.#box(peer, this.rank, kind);
    const what = `waiting for ${kind} of rank ${peer}`;
    this.#carrier.expect(box);
    const posted = this.#posted[box.index]!;
    const own: PostedReceive = { letter: undefined };
    posted.push(own);
    // Letters go to the receives in the order in which these were posted, whichever is waited for first.
    const takeNext = (): void => {
      const letter = this.#guard(office, what, () => mailbox.take(office, box.index, this.#timeoutMs));
      const first = posted.shift()!;
      first.letter = letter;
      this.#untaken.add(first);
    };
    const wait = (): void => {
      while (own.letter === undefined) takeNext();
    };
    return {
      isDone: () => {
        while (
          own.letter === undefined &&
          this.#guard(office, what, () => mailbox.arrived(office, box.index))
        )
          takeNext();
        return own.letter !== undefined;
      },
      wait,
      take: () => {
        wait();
        this.#untaken.delete(own);
        return own.letter!.map((handle) => (handle === null ? null : this.runtime.adoptHandle(handle)));
      },
    };
  }

  abort(reason: string): void {
    this.#carrier.close(this.#officeName(), reason);
    this.#meetAgain();
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
    const name = `${this.#officeName()}/${ranks.join(",")}`;
    const options = { name, rank, size: ranks.length, timeoutMs: this.#timeoutMs };
    return new MailboxGroup(this.runtime, this.#carrier.subset(ranks), options);
  }

  #officeName(): string {
    return `${this.#name}#${this.#generation}.`;
  }

  #meetAgain(): void {
    for (const receive of this.#untaken) {
      for (const handle of receive.letter!) if (handle !== null) this.runtime.addon.free(handle);
      receive.letter = undefined;
    }
    this.#untaken.clear();
    this.#generation++;
    this.#office = this.#open();
    this.#posted = emptyQueues(this.#numBoxes);
  }

  #open(): PostOffice {
    return this.#carrier.open(this.#officeName(), this.#numBoxes);
  }

  get #numBoxes(): number {
    return this.size * this.size * CHANNEL_KINDS.length;
  }

  #box(source: number, destination: number, kind: ChannelKind): Box {
    this.#checkPeer(source);
    this.#checkPeer(destination);
    const index = (source * this.size + destination) * CHANNEL_KINDS.length + CHANNEL_KINDS.indexOf(kind);
    return { index, kind, source, destination };
  }

  #checkPeer(peer: number): void {
    if (!Number.isInteger(peer) || peer < 0 || peer >= this.size)
      throw new TransportError("INVALID_PEER", `there is no rank ${peer} in a group of ${this.size}`);
  }

  #guard<T>(office: PostOffice, what: string, body: () => T): T {
    try {
      return body();
    } catch (error) {
      const { code, message } = error as { code?: string; message?: string };
      if (code === "ABORTED") {
        // A receive from before an abort that this rank knows of already.
        if (office === this.#office) this.#meetAgain();
        throw new TransportError("ABORTED", `rank ${this.rank} stopped while ${what}: ${message}`, {
          cause: error,
          group: this,
        });
      }
      if (code === "TIMEOUT")
        throw new TransportError("TIMEOUT", `rank ${this.rank} gave up ${what}: ${message}`, {
          group: this,
        });
      throw error;
    }
  }
}

function emptyQueues(numBoxes: number): PostedReceive[][] {
  return Array.from({ length: numBoxes }, () => []);
}
