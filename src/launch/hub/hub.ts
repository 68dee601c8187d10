/**
 * The hub: where the processes of a run, or the launchers of its hosts, find one another.
 *
 * Members start in any order, on hosts that share nothing but one address, and none of them may start its work
 * before all are there: it would wait in its first transfer and report the wrong culprit. A key-value store
 * such as PyTorch's TCPStore can count arrivals, but it accepts anyone, cannot say who is missing, and does not
 * notice a member that hangs.
 *
 * So one process serves a hub, and every member keeps one connection to it, with heartbeats in both directions.
 * The hub
 *   1. admits members of the same run and tells those who wait who is present;
 *   2. starts a session when all are present;
 *   3. forwards messages between members, in the order in which each sent them;
 *   4. tells the others when a member disconnects without leaving.
 *
 * A connection over which anything but the messages of protocol.ts comes, in their order, is closed, and nothing else
 * happens: a client that knows the secret may still be no process of ours.
 *
 * Two members with the same number are a mistake, unless the first is a dead one whose end the hub has not noticed yet.
 * So the hub asks the first; only when that answers is the second refused, and when that goes the second is admitted.
 *
 * Invariant: a session starts with all members, no member joins it later, and the next one starts only after
 * the last member is gone. So members of two attempts at the same run never talk to each other.
 */
import type { TLSSocket } from "node:tls";
import type { DisconnectCause } from "../disconnect.ts";
import { LaunchError } from "../launch-error.ts";
import { type FromHub, isToHub, type Refusal, type ToHub } from "./protocol.ts";
import { type HubLocation, listenSecurely, type SecureServer } from "./secure-connection.ts";
import { Wire } from "./wire.ts";

/** The port may be 0, for any free one. */
export interface HubOptions extends HubLocation {
  readonly numMembers: number;
  /** The description of the run; by default that of the first to join. */
  readonly run?: string | undefined;
  /** Called with a member whose connection is open but carries no heartbeat. */
  readonly onUnresponsive?: (member: number) => void;
}

type Join = ToHub & { kind: "join" };
type MemberWire = Wire<ToHub, FromHub>;

/** How long a new connection may take to say which member it is. */
const JOIN_TIMEOUT_MS = 10_000;

export class Hub {
  readonly #server: SecureServer;
  readonly #numMembers: number;
  readonly #ownRun: string | undefined;
  readonly #onUnresponsive: HubOptions["onUnresponsive"];
  readonly #members = new Map<number, MemberWire>();
  /** Those that want to join as a member that is there already, by that member. */
  readonly #queues = new Map<number, Map<MemberWire, Join>>();
  /** All members have joined, and some are still there. */
  #isInSession = false;
  #run = "";
  /** Resolve the promises of `whenEmpty`. */
  readonly #emptyListeners = new Set<() => void>();

  /** @throws LaunchError ADDRESS_TAKEN, ADDRESS_NOT_HERE */
  static async listen(options: HubOptions): Promise<Hub> {
    let hub: Hub | undefined;
    try {
      const server = await listenSecurely(options, (socket) => hub!.#accept(socket));
      hub = new Hub(server, options);
      return hub;
    } catch (error) {
      throw explain(error as NodeJS.ErrnoException, options);
    }
  }

  private constructor(server: SecureServer, { numMembers, run, onUnresponsive }: HubOptions) {
    this.#server = server;
    this.#numMembers = numMembers;
    this.#ownRun = run;
    this.#onUnresponsive = onUnresponsive;
  }

  get port(): number {
    return this.#server.port;
  }

  /** Resolves when no member is left, or after the timeout. */
  async whenEmpty(timeoutMs: number): Promise<void> {
    if (this.#members.size === 0) return;
    await new Promise<void>((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        this.#emptyListeners.delete(end);
        resolve();
      };
      const timer = setTimeout(end, timeoutMs);
      this.#emptyListeners.add(end);
    });
  }

  /** Cuts off all members that are still there. */
  close(): void {
    this.#server.close();
  }

  #accept(socket: TLSSocket): void {
    const wire: MemberWire = new Wire<ToHub, FromHub>(socket, {
      heartbeatTimeoutMs: JOIN_TIMEOUT_MS,
      isMessage: isToHub,
      objection: { kind: "refused", refusal: { kind: "protocol" } },
      onMessage: (message) => {
        if (message.kind === "join" && message.member < message.numMembers) this.#join(wire, message);
        else wire.reject();
      },
      onDisconnect: () => {},
    });
  }

  #join(wire: MemberWire, join: Join): void {
    const refusal = this.#refusalOf(join);
    if (refusal) refuse(wire, refusal);
    else if (this.#members.has(join.member)) this.#queue(wire, join);
    else this.#admit(wire, join);
  }

  #admit(wire: MemberWire, { member, run, heartbeatTimeoutMs }: Join): void {
    this.#run = run;
    this.#members.set(member, wire);
    wire.become({
      heartbeatTimeoutMs,
      isMessage: isToHub,
      onMessage: (message) => this.#handle(member, wire, message),
      onDisconnect: (cause) => this.#disconnect(member, cause),
    });
    if (this.#members.size === this.#numMembers) {
      this.#isInSession = true;
      this.#broadcast({ kind: "everyone" });
    } else this.#broadcast({ kind: "present", members: [...this.#members.keys()].sort((a, b) => a - b) });
  }

  #refusalOf({ member, numMembers, run }: Join): Refusal | undefined {
    if (numMembers !== this.#numMembers) return { kind: "numMembers", numMembers: this.#numMembers };
    const isAnother = run !== (this.#ownRun ?? (this.#members.size > 0 ? this.#run : run));
    if (isAnother && !this.#isInSession) return { kind: "run", run: this.#ownRun ?? this.#run };
    if (this.#isInSession && !this.#members.has(member)) return { kind: "session" };
    return undefined;
  }

  /** Asks the member that is there already whether it still is, and lets the new one wait for the answer. */
  #queue(wire: MemberWire, join: Join): void {
    const { member, heartbeatTimeoutMs } = join;
    const queue = this.#queues.get(member) ?? new Map<MemberWire, Join>();
    this.#queues.set(member, queue.set(wire, join));
    wire.become({
      heartbeatTimeoutMs,
      isMessage: isToHub,
      onMessage: () => wire.reject(),
      onDisconnect: () => queue.delete(wire),
    });
    this.#members.get(member)!.send({ kind: "ping" });
  }

  #refuseQueue(member: number): void {
    for (const wire of this.#queues.get(member)?.keys() ?? []) refuse(wire, { kind: "member" });
    this.#queues.delete(member);
  }

  #handle(from: number, wire: MemberWire, message: ToHub): void {
    switch (message.kind) {
      case "send": {
        const { to, body } = message;
        const copy: FromHub = { kind: "message", from, body };
        if (!this.#isInSession) wire.reject();
        else if (to === "others") this.#broadcast(copy, from);
        else this.#members.get(to)?.send(copy);
        break;
      }
      case "leave":
        wire.close();
        this.#remove(from);
        break;
      case "pong":
        this.#refuseQueue(from);
        break;
      case "join":
        wire.reject();
        break;
      default:
        message satisfies never;
    }
  }

  #disconnect(member: number, cause: DisconnectCause): void {
    if (cause.kind === "no heartbeat") this.#onUnresponsive?.(member);
    if (this.#isInSession) this.#broadcast({ kind: "disconnected", member, cause }, member);
    this.#remove(member);
  }

  #remove(member: number): void {
    this.#members.delete(member);
    if (this.#members.size === 0) {
      this.#isInSession = false;
      for (const end of this.#emptyListeners) end();
    }
    const queue = this.#queues.get(member) ?? [];
    this.#queues.delete(member);
    for (const [wire, join] of queue) this.#join(wire, join);
  }

  #broadcast(message: FromHub, except?: number): void {
    for (const [member, wire] of this.#members) if (member !== except) wire.send(message);
  }
}

function refuse(wire: MemberWire, refusal: Refusal): void {
  wire.send({ kind: "refused", refusal });
  wire.close();
}

function explain(error: NodeJS.ErrnoException, { address, port }: HubOptions): Error {
  if (error.code === "EADDRINUSE")
    return new LaunchError(
      "ADDRESS_TAKEN",
      `the port of the rendezvous must be free; ${address}:${port} is in use; stop the program that uses it, choose another port with --master-port or MASTER_PORT, or give this one another --node-rank or RANK if the other is the first of this run`,
    );
  if (error.code === "EADDRNOTAVAIL")
    return new LaunchError(
      "ADDRESS_NOT_HERE",
      `the rendezvous must be at an address of the first host; ${address} is not an address of this host; give one with --master-addr or MASTER_ADDR, set DUALPIPE_ADDRESS to the address to listen at, or give this host another --node-rank or RANK if it is not the first`,
    );
  return error;
}
