/**
 * Proves that a program neither deadlocks on NCCL nor lets a transfer that is ready wait for one that is not.
 *
 * The model. A rank posts everything without waiting, in the order of its list. Its computations run one after the
 * other, and each waits for what it needs (postings.ts). A group starts when the computations before it in the list
 * and the groups before it in its queue have ended. It ends when all of its transfers have moved, and a transfer moves
 * when the groups of its SEND and of its RECV have started: sends are rendezvous. (NCCL buffers small messages, so it
 * may end a send earlier. A program must not rely on that.) Kernels of different communicators run at the same time.
 *
 * Deadlock. Each of these events waits for all of its causes, and nothing else decides. So a program deadlocks in
 * every run or in none, and it does when its causes have a cycle, which the message names.
 *
 * Head-of-line blocking. A side of a transfer is ready when the computations before it have ended: then it could start
 * if its queue were empty. A transfer is blocked by one in front of it, in the queue of one of its ranks, when both of
 * its own sides are ready and the other one's partner is not. Whether that happens depends on durations. They differ
 * between machines and steps, so a proof must not depend on them: what is reported can happen with some durations, and
 * what is not reported happens with none. That has a simple test, because a computation may take as long as it likes.
 * Everything that does not depend on it can happen before it ends. So the blocking can happen unless the end of the
 * computation before the partner is a cause of one of the two sides being ready.
 *
 * Each event has a vector clock: the number of computations of each rank among its causes and itself. A clock moves
 * to the event's dependents and is then dropped. Of the transfers in front of another one, only the last that each
 * rank has to post matters, so a queue keeps one for each peer, and a check takes as many comparisons.
 *
 * No blocking here is enough for all of it. If a transfer stands behind one that is ready and does not move, that one
 * is blocked itself, by a transfer of another queue. Without a deadlock the chain of these ends, at a transfer that
 * stands behind one whose partner is not ready.
 */
import type { ActionLocation } from "../problem.ts";
import { EventGraph } from "./event-graph.ts";
import type { Postings, Side } from "./postings.ts";

/** A transfer whose sides can both be ready while one of them waits in a queue for a partner that is not ready. */
export interface BlockedTransfer extends ActionLocation {
  /** The other side of the blocked transfer. */
  readonly partner: ActionLocation;
  /** What stands in front of it in the queue, on the same rank. */
  readonly behind: ActionLocation;
  /** The partner of `behind`, which need not be ready. */
  readonly late: ActionLocation;
}

/** What one event waits for in a deadlock. */
export interface Wait {
  readonly waiter: ActionLocation;
  readonly cause: ActionLocation;
  /**
   * `order`: the cause is before it in the rank's list. `queue`: it is before it in the queue. `partner`: it is the
   * other side. `need`: a computation waits for a transfer.
   */
  readonly why: "order" | "queue" | "partner" | "need";
}

/** In front of a group, the transfer that each peer has the most computations to do for. */
interface Ahead {
  readonly peer: number;
  readonly side: Side;
  readonly partner: Side;
  readonly numComputations: number;
}

/** Runs the events of a program. Both sides of each transfer must be the partners that NCCL makes them. */
export class QueueCheck {
  readonly #postings: Postings;
  readonly #firstComputation: number[] = [];
  /** The starts of the groups come after the computations, then their ends, then "both sides are ready". */
  readonly #firstStart: number;
  readonly #firstEnd: number;
  readonly #firstReady: number;
  readonly #transfers: (readonly [Side, Side])[];
  readonly #graph: EventGraph;
  readonly #ahead: (readonly Ahead[])[] = [];
  readonly blocked: BlockedTransfer[] = [];

  constructor(postings: Postings) {
    this.#postings = postings;
    let numEvents = 0;
    for (const { length } of postings.computations) {
      this.#firstComputation.push(numEvents);
      numEvents += length;
    }
    this.#transfers = [...postings.sends].map(([value, send]) => [send, postings.receives.get(value)!]);
    const numGroups = postings.groups.length;
    this.#firstStart = numEvents;
    this.#firstEnd = numEvents + numGroups;
    this.#firstReady = numEvents + 2 * numGroups;
    this.#graph = new EventGraph(this.#firstReady + this.#transfers.length);
    this.#addComputations();
    this.#addGroups();
    this.#addTransfers();
  }

  /** Finds the blocked transfers, and returns the waits of a deadlock, if there is one. */
  run(): Wait[] {
    const { numRanks } = this.#postings.program;
    const clocks: (Uint32Array | undefined)[] = [];
    this.#graph.run((event) => {
      const clock = clocks[event] ?? new Uint32Array(numRanks);
      clocks[event] = undefined;
      if (event >= this.#firstReady) {
        this.#checkTransfer(event - this.#firstReady, clock);
        return;
      }
      if (event < this.#firstStart) {
        const { rank, position } = this.#computationAt(event);
        clock[rank] = position + 1;
      }
      for (const dependent of this.#graph.dependentsOf(event)) {
        const known = clocks[dependent];
        if (known === undefined) clocks[dependent] = clock.slice();
        else for (let rank = 0; rank < numRanks; rank++) known[rank] = Math.max(known[rank]!, clock[rank]!);
      }
    });
    this.blocked.sort((a, b) => a.rank - b.rank || a.actionIndex - b.actionIndex);
    const cycle = this.#graph.cycle();
    return cycle.flatMap((event, at) => this.#waitOf(event, cycle[(at + 1) % cycle.length]!));
  }

  #addComputations(): void {
    const { waits } = this.#postings;
    for (const [rank, first] of this.#firstComputation.entries()) {
      for (const [position, groups] of waits[rank]!.entries()) {
        const event = first + position;
        if (position > 0) this.#graph.addDependency(event, event - 1);
        for (const group of groups) this.#graph.addDependency(event, this.#firstEnd + group);
      }
    }
  }

  #addGroups(): void {
    const { groups } = this.#postings;
    for (const [index, group] of groups.entries()) {
      const [start, end] = [this.#firstStart + index, this.#firstEnd + index];
      if (group.numComputations > 0) this.#graph.addDependency(start, this.#lastBefore(index));
      if (group.previous >= 0) this.#graph.addDependency(start, this.#firstEnd + group.previous);
      this.#graph.addDependency(end, start);
      for (const actionIndex of group.actionIndices) {
        const partner = this.#postings.partnerOf(group.rank, actionIndex);
        this.#graph.addDependency(end, this.#firstStart + partner.group);
      }
      this.#ahead.push(this.#aheadOf(group.previous));
    }
  }

  #addTransfers(): void {
    for (const [index, sides] of this.#transfers.entries()) {
      for (const { group } of sides) {
        if (this.#postings.groups[group]!.numComputations === 0) continue;
        this.#graph.addDependency(this.#firstReady + index, this.#lastBefore(group));
      }
    }
  }

  /** The last computation before a group. */
  #lastBefore(group: number): number {
    const { rank, numComputations } = this.#postings.groups[group]!;
    return this.#firstComputation[rank]! + numComputations - 1;
  }

  /** What stands in a queue up to and with a group. */
  #aheadOf(group: number): readonly Ahead[] {
    if (group < 0) return [];
    const { rank, actionIndices } = this.#postings.groups[group]!;
    const byPeer = new Map(this.#ahead[group]!.map((ahead) => [ahead.peer, ahead]));
    for (const actionIndex of actionIndices) {
      const partner = this.#postings.partnerOf(rank, actionIndex);
      const { numComputations } = this.#postings.groups[partner.group]!;
      const known = byPeer.get(partner.rank);
      if (known !== undefined && known.numComputations >= numComputations) continue;
      const side = { rank, actionIndex, group };
      byPeer.set(partner.rank, { peer: partner.rank, side, partner, numComputations });
    }
    return [...byPeer.values()];
  }

  /** @param clock The computations that have ended whenever both sides of the transfer are ready. */
  #checkTransfer(index: number, clock: Uint32Array): void {
    const [send, receive] = this.#transfers[index]!;
    for (const [side, partner] of [
      [send, receive],
      [receive, send],
    ] as const) {
      const late = this.#ahead[side.group]!.find(
        ({ peer, numComputations }) => clock[peer]! < numComputations,
      );
      if (late === undefined) continue;
      this.blocked.push({
        ...locationOf(side),
        partner: locationOf(partner),
        behind: locationOf(late.side),
        late: locationOf(late.partner),
      });
    }
  }

  #computationAt(event: number): { rank: number; position: number } {
    let [low, high] = [0, this.#firstComputation.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#firstComputation[middle]! <= event) low = middle;
      else high = middle - 1;
    }
    return { rank: low, position: event - this.#firstComputation[low]! };
  }

  /** Why an event of a cycle waits for the next one; nothing where both are the same group. */
  #waitOf(event: number, cause: number): Wait[] {
    const [waiter, waited] = [this.#locate(event), this.#locate(cause)];
    if (event < this.#firstStart) {
      return [{ waiter, cause: waited, why: cause < this.#firstStart ? "order" : "need" }];
    }
    if (event < this.#firstEnd) {
      return [{ waiter, cause: waited, why: cause < this.#firstStart ? "order" : "queue" }];
    }
    if (event - this.#firstEnd === cause - this.#firstStart) return [];
    const group = cause - this.#firstStart;
    const { rank, actionIndices } = this.#postings.groups[event - this.#firstEnd]!;
    const own = actionIndices.find((index) => this.#postings.partnerOf(rank, index).group === group)!;
    const partner = this.#postings.partnerOf(rank, own);
    return [{ waiter: { rank, actionIndex: own }, cause: locationOf(partner), why: "partner" }];
  }

  /** The computation, or the first action of the group, that an event is about. */
  #locate(event: number): ActionLocation {
    if (event < this.#firstStart) {
      const { rank, position } = this.#computationAt(event);
      return { rank, actionIndex: this.#postings.computations[rank]![position]! };
    }
    const group = event < this.#firstEnd ? event - this.#firstStart : event - this.#firstEnd;
    const { rank, actionIndices } = this.#postings.groups[group]!;
    return { rank, actionIndex: actionIndices[0]! };
  }
}

function locationOf({ rank, actionIndex }: Side): ActionLocation {
  return { rank, actionIndex };
}
