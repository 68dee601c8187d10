import type { Runtime } from "../tensor/runtime.ts";
import type { ChannelKind, Message, ProcessGroup, Receipt, Route } from "./process-group.ts";
import { TransportError } from "./transport-error.ts";

/**
 * Some of a group's ranks, numbered in the order given. It only renumbers: its messages use the group's channels and
 * its aborts reach the whole group, whereas a subgroup has channels and aborts of its own.
 */
export class GroupView implements ProcessGroup {
  readonly runtime: Runtime;
  readonly root: ProcessGroup;
  readonly rank: number;
  readonly size: number;
  readonly isWithinProcess: boolean;
  readonly #group: ProcessGroup;
  readonly #ranks: readonly number[];

  /** @throws TransportError when this rank is not among them. */
  constructor(group: ProcessGroup, ranks: readonly number[]) {
    this.#group = group;
    this.#ranks = ranks;
    this.runtime = group.runtime;
    this.root = group.root;
    this.isWithinProcess = group.isWithinProcess;
    this.rank = ranks.indexOf(group.rank);
    this.size = ranks.length;
    if (this.rank < 0)
      throw new TransportError(
        "INVALID_PEER",
        `rank ${group.rank} is not among the ranks ${ranks.join(", ")} of this view`,
      );
  }

  send(peer: number, kind: ChannelKind, message: Message, label?: string): void {
    this.#group.send(this.#rankAt(peer), kind, message, label);
  }

  receive(peer: number, kind: ChannelKind, label?: string): Receipt {
    return this.#group.receive(this.#rankAt(peer), kind, label);
  }

  get connectsCards(): boolean {
    return this.#group.connectsCards;
  }

  connectCards(routes: readonly Route[]): void {
    this.#group.connectCards(routes.map((route) => ({ ...route, peer: this.#rankAt(route.peer) })));
  }

  beginPhase(): number {
    return this.#group.beginPhase();
  }

  abort(reason: string): void {
    this.#group.abort(reason);
  }

  subgroup(ranks: readonly number[]): ProcessGroup {
    return this.#group.subgroup(ranks.map((rank) => this.#rankAt(rank)));
  }

  #rankAt(peer: number): number {
    const rank = this.#ranks[peer];
    if (rank === undefined)
      throw new TransportError("INVALID_PEER", `there is no rank ${peer} in a group of ${this.size}`);
    return rank;
  }
}
