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

export interface InProcessOptions {
  /** Shared by the group's ranks and by nobody else in the process. */
  readonly name: string;
  readonly rank: number;
  readonly size: number;
  /** How long a receive waits before it gives up. */
  readonly timeoutMs?: number;
}

/** A receive, and what the mailbox had for it. */
interface PostedReceive {
  letter: readonly (Handle | null)[] | undefined;
}

const DEFAULT_TIMEOUT_MS = 600_000;

/** Ranks that are threads of one process: a tensor is handed over without a copy. */
export class InProcessGroup implements ProcessGroup {
  readonly runtime: Runtime;
  readonly rank: number;
  readonly size: number;
  readonly #name: string;
  readonly #timeoutMs: number;
  #office: PostOffice;
  /** By box: receives that have no letter yet, in the order of posting. */
  #posted: PostedReceive[][];
  /** Grows when the group was aborted: what was under way then is lost, and the ranks meet again under a new name. */
  #generation = 0;

  constructor(runtime: Runtime, options: InProcessOptions) {
    this.runtime = runtime;
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
    this.#guard(office, `sending ${kind} to rank ${peer}`, () =>
      this.runtime.addon.mailbox.post(office, box, handles),
    );
  }

  receive(peer: number, kind: ChannelKind): Receipt {
    const { mailbox } = this.runtime.addon;
    const office = this.#office;
    const box = this.#box(peer, this.rank, kind);
    const what = `waiting for ${kind} of rank ${peer}`;
    const posted = this.#posted[box]!;
    const own: PostedReceive = { letter: undefined };
    posted.push(own);
    // Letters go to the receives in the order in which these were posted, whichever is waited for first.
    const takeNext = (): void => {
      const letter = this.#guard(office, what, () => mailbox.take(office, box, this.#timeoutMs));
      posted.shift()!.letter = letter;
    };
    const wait = (): void => {
      while (own.letter === undefined) takeNext();
    };
    return {
      isDone: () => {
        while (own.letter === undefined && this.#guard(office, what, () => mailbox.arrived(office, box)))
          takeNext();
        return own.letter !== undefined;
      },
      wait,
      take: () => {
        wait();
        return own.letter!.map((handle) => (handle === null ? null : this.runtime.adoptHandle(handle)));
      },
    };
  }

  abort(reason: string): void {
    this.runtime.addon.mailbox.close(this.#officeName(), reason);
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
    return new InProcessGroup(this.runtime, { name, rank, size: ranks.length, timeoutMs: this.#timeoutMs });
  }

  #officeName(): string {
    return `${this.#name}#${this.#generation}.`;
  }

  #meetAgain(): void {
    this.#generation++;
    this.#office = this.#open();
    this.#posted = emptyQueues(this.#numBoxes);
  }

  #open(): PostOffice {
    return this.runtime.addon.mailbox.open(this.#officeName(), this.#numBoxes);
  }

  get #numBoxes(): number {
    return this.size * this.size * CHANNEL_KINDS.length;
  }

  #box(source: number, destination: number, kind: ChannelKind): number {
    this.#checkPeer(source);
    this.#checkPeer(destination);
    return (source * this.size + destination) * CHANNEL_KINDS.length + CHANNEL_KINDS.indexOf(kind);
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
        });
      }
      if (code === "TIMEOUT")
        throw new TransportError("TIMEOUT", `rank ${this.rank} gave up ${what}: ${message}`);
      throw error;
    }
  }
}

function emptyQueues(numBoxes: number): PostedReceive[][] {
  return Array.from({ length: numBoxes }, () => []);
}
