/**
 * NCCL's queues, executed one event at a time in any order. It shares nothing with `verify` but the rules: it has no
 * graph and no clocks, looks at the whole state before each event, and tries.
 */
import type { Action } from "../../src/schedule/program/action.ts";
import { peerOf } from "../../src/schedule/program/placement.ts";
import type { Program } from "../../src/schedule/program/program.ts";
import type { Communicators } from "../../src/schedule/verify/nccl/communicators.ts";

/** One side of a transfer. */
interface Operation {
  readonly rank: number;
  readonly index: number;
  readonly queue: Operation[][];
  /** The operations that are posted with it, and their position in the queue. */
  readonly group: Operation[];
  readonly position: number;
  partner: Operation | undefined;
  hasMoved: boolean;
}

type Step = { readonly computation: { rank: number; index: number } } | { readonly sender: Operation };

/** The place of an action, as text: its rank and index. */
export type Place = `${number}:${number}`;

const placeOf = ({ rank, index }: { rank: number; index: number }): Place => `${rank}:${index}`;

export class Executor {
  readonly #program: Program;
  readonly #actions: Action[][];
  readonly #operations: (Operation | undefined)[][];
  /** The index of each rank's first computation that has not ended. */
  readonly #next: number[];
  /** Whether some RECV would get the value of another SEND than its own. */
  readonly hasWrongPartner: boolean;
  /** Every operation that was seen blocked, with each one that it stood behind: "0:5 0:3". */
  readonly blocked = new Set<string>();

  constructor(program: Program, communicators: Communicators) {
    this.#program = program;
    this.#actions = program.ranks.map((actions) => [...actions]);
    this.#operations = this.#actions.map((actions, rank) => this.#post(rank, actions, communicators));
    this.hasWrongPartner = !this.#pair(communicators);
    this.#next = this.#actions.map((_, rank) => this.#computationFrom(rank, 0));
  }

  /** Runs until nothing can happen; `choose` picks among what can. Returns whether all has happened. */
  run(choose: (numSteps: number) => number): boolean {
    for (;;) {
      this.#observe();
      const steps = this.#possible();
      if (steps.length === 0) break;
      this.#perform(steps[choose(steps.length)]!);
    }
    return (
      this.#next.every((next, rank) => next === this.#actions[rank]!.length) &&
      this.#operations.flat().every((operation) => operation?.hasMoved ?? true)
    );
  }

  /** Runs everything that can happen while one computation takes for ever. */
  runWithout(withheld: Place): void {
    for (;;) {
      const steps = this.#possible().filter(
        (step) => !("computation" in step) || placeOf(step.computation) !== withheld,
      );
      if (steps.length === 0) break;
      for (const step of steps) this.#perform(step);
    }
    this.#observe();
  }

  /** The places of all computations. */
  computations(): Place[] {
    return this.#actions.flatMap((actions, rank) =>
      actions.flatMap((action, index) => (isTransfer(action) ? [] : [placeOf({ rank, index })])),
    );
  }

  #perform(step: Step): void {
    if ("computation" in step) {
      const { rank, index } = step.computation;
      this.#next[rank] = this.#computationFrom(rank, index + 1);
    } else {
      step.sender.hasMoved = true;
      step.sender.partner!.hasMoved = true;
    }
  }

  #computationFrom(rank: number, start: number): number {
    const actions = this.#actions[rank]!;
    const index = actions.findIndex((action, at) => at >= start && !isTransfer(action));
    return index < 0 ? actions.length : index;
  }

  #post(rank: number, actions: Action[], communicators: Communicators): (Operation | undefined)[] {
    const queues = new Map<string, Operation[][]>();
    const isBatched = this.#program.communication === "batched";
    let groups = new Map<string, Operation[]>();
    return actions.map((action, index) => {
      if (!isTransfer(action)) {
        groups = new Map();
        return undefined;
      }
      if (!isBatched) groups = new Map();
      const name = this.#communicator(rank, action, communicators);
      const queue = queues.get(name) ?? [];
      queues.set(name, queue);
      let group = groups.get(name);
      if (group === undefined) {
        group = [];
        groups.set(name, group);
        queue.push(group);
      }
      const position = queue.length - 1;
      const operation: Operation = {
        rank,
        index,
        queue,
        group,
        position,
        partner: undefined,
        hasMoved: false,
      };
      group.push(operation);
      return operation;
    });
  }

  #communicator(rank: number, action: Transfer, communicators: Communicators): string {
    const peer = peerOf(this.#program.placement, action);
    const edge = action.kind.startsWith("SEND") ? [rank, peer] : [peer, rank];
    if (communicators === "world") return "world";
    if (communicators === "pair") return edge.toSorted().join();
    return communicators === "edge" ? edge.join() : `${edge.join()} ${action.kind.slice(-1)}`;
  }

  /** Gives the n-th SEND of a direction the n-th RECV; false when these are not sides of the same transfer. */
  #pair(communicators: Communicators): boolean {
    const waiting = new Map<string, Operation[]>();
    const all = this.#operations.flat().filter((operation) => operation !== undefined);
    const nameOf = ({ rank, index }: Operation, isSend: boolean) => {
      const action = this.#actions[rank]![index] as Transfer;
      const peer = peerOf(this.#program.placement, action);
      const name = this.#communicator(rank, action, communicators);
      return isSend ? `${name} from ${rank} to ${peer}` : `${name} from ${peer} to ${rank}`;
    };
    const isSend = ({ rank, index }: Operation) => this.#actions[rank]![index]!.kind.startsWith("SEND");
    for (const operation of all.filter(isSend)) {
      const name = nameOf(operation, true);
      waiting.set(name, [...(waiting.get(name) ?? []), operation]);
    }
    return all
      .filter((operation) => !isSend(operation))
      .every((receive) => {
        const send = waiting.get(nameOf(receive, false))!.shift()!;
        send.partner = receive;
        receive.partner = send;
        const sent = this.#actions[send.rank]![send.index] as Transfer;
        const received = this.#actions[receive.rank]![receive.index] as Transfer;
        const offset = sent.kind === "SEND_F" ? 1 : -1;
        return (
          sent.microBatch === received.microBatch &&
          sent.kind.slice(-1) === received.kind.slice(-1) &&
          sent.stage + offset === received.stage
        );
      });
  }

  #isReady({ rank, index }: Operation): boolean {
    return index < this.#next[rank]!;
  }

  #hasEnded(group: readonly Operation[]): boolean {
    return group.every(({ hasMoved }) => hasMoved);
  }

  /** The operations of groups that have not ended and stand before the operation's own. */
  #before(operation: Operation): Operation[] {
    return operation.queue
      .slice(0, operation.position)
      .filter((group) => !this.#hasEnded(group))
      .flat();
  }

  #possible(): Step[] {
    const computations = this.#actions.flatMap((actions, rank): Step[] => {
      const index = this.#next[rank]!;
      if (index === actions.length || !this.#hasInputs(rank, index)) return [];
      return [{ computation: { rank, index } }];
    });
    const moves = this.#operations.flat().flatMap((operation): Step[] => {
      if (operation === undefined || operation.hasMoved) return [];
      if (!this.#actions[operation.rank]![operation.index]!.kind.startsWith("SEND")) return [];
      const hasStarted = [operation, operation.partner!].every(
        (side) => this.#isReady(side) && this.#before(side).length === 0,
      );
      return hasStarted ? [{ sender: operation }] : [];
    });
    return [...computations, ...moves];
  }

  #hasInputs(rank: number, index: number): boolean {
    const actions = this.#actions[rank]!;
    const action = actions[index]!;
    const parts = action.kind === "OVERLAP_F_B" ? [action.forward, action.backward] : [action];
    const needed = parts.map(({ kind, stage, microBatch }) => {
      const flow = kind === "F" ? "F" : "B";
      return kind === "W" ? "" : `${stage}RECV_${flow}${microBatch}`;
    });
    return actions.every((other, at) => {
      if (!isTransfer(other)) return true;
      const isAwaited =
        this.#program.communication === "batched"
          ? at < index
          : needed.includes(`${other.stage}${other.kind}${other.microBatch}`);
      return !isAwaited || this.#hasEnded(this.#operations[rank]![at]!.group);
    });
  }

  #observe(): void {
    for (const operation of this.#operations.flat()) {
      if (operation === undefined || operation.hasMoved) continue;
      if (!this.#isReady(operation) || !this.#isReady(operation.partner!)) continue;
      for (const other of this.#before(operation)) {
        if (this.#isReady(other.partner!)) continue;
        this.blocked.add(`${placeOf(operation)} ${placeOf(other)}`);
      }
    }
  }
}

type Transfer = Extract<Action, { kind: "SEND_F" | "RECV_F" | "SEND_B" | "RECV_B" }>;

export function isTransfer(action: Action): action is Transfer {
  return action.kind.length > 1 && action.kind !== "OVERLAP_F_B";
}
