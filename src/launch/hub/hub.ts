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
 * Invariant: a session starts with all members, no member joins it later, and the next one starts only after
 * the last member is gone. So members of two attempts at the same run never talk to each other.
 */
import type { TLSSocket } from "node:tls";
import type { DisconnectCause } from "../disconnect.ts";
import { LaunchError } from "../launch-error.ts";
import { type HubLocation, listenSecurely, type SecureServer } from "./secure-connection.ts";
import { Wire } from "./wire.ts";

/** Messages from a member to its hub. */
export type ToHub =
  | {
      readonly kind: "join";
      readonly member: number;
      readonly numMembers: number;
      /** A description of the run; that of all members must be the same. */
      readonly run: string;
      readonly heartbeatTimeoutMs: number;
    }
  | { readonly kind: "send"; readonly to: number | "others"; readonly body: unknown }
  | { readonly kind: "leave" };

/** Messages from a hub to a member. */
export type FromHub =
  | { readonly kind: "refused"; readonly refusal: Refusal }
  /** The members that have joined, while some are missing. */
  | { readonly kind: "present"; readonly members: readonly number[] }
  /** All members have joined: the session starts. */
  | { readonly kind: "everyone" }
  | { readonly kind: "message"; readonly from: number; readonly body: unknown }
  | { readonly kind: "disconnected"; readonly member: number; readonly cause: DisconnectCause };

/** Why a hub does not admit a member. */
export type Refusal =
  | { readonly rule: "number of members"; readonly numMembers: number }
  | { readonly rule: "same run"; readonly run: string }
  /** Its predecessor, or the session before, is still there; a retry may succeed. */
  | { readonly rule: "one session at a time" };

/** The port may be 0, for any free one. */
export interface HubOptions extends HubLocation {
  readonly numMembers: number;
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
  readonly #onUnresponsive: HubOptions["onUnresponsive"];
  readonly #members = new Map<number, MemberWire>();
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

  private constructor(server: SecureServer, { numMembers, onUnresponsive }: HubOptions) {
    this.#server = server;
    this.#numMembers = numMembers;
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
      onMessage: (message) => {
        if (message.kind === "join") this.#join(wire, message);
        else wire.close();
      },
      onDisconnect: () => {},
    });
  }

  #join(wire: MemberWire, join: Join): void {
    const refusal = this.#refusalOf(join);
    if (refusal) {
      wire.send({ kind: "refused", refusal });
      wire.close();
      return;
    }
    const { member, run, heartbeatTimeoutMs } = join;
    this.#run = run;
    this.#members.set(member, wire);
    wire.become({
      heartbeatTimeoutMs,
      onMessage: (message) => this.#handle(member, message),
      onDisconnect: (cause) => this.#disconnect(member, cause),
    });
    if (this.#members.size === this.#numMembers) {
      this.#isInSession = true;
      this.#broadcast({ kind: "everyone" });
    } else this.#broadcast({ kind: "present", members: [...this.#members.keys()].sort((a, b) => a - b) });
  }

  #refusalOf({ member, numMembers, run }: Join): Refusal | undefined {
    if (numMembers !== this.#numMembers) return { rule: "number of members", numMembers: this.#numMembers };
    if (this.#isInSession || this.#members.has(member)) return { rule: "one session at a time" };
    if (this.#members.size > 0 && run !== this.#run) return { rule: "same run", run: this.#run };
    return undefined;
  }

  #handle(from: number, message: ToHub): void {
    switch (message.kind) {
      case "send": {
        const { to, body } = message;
        const copy: FromHub = { kind: "message", from, body };
        if (to === "others") this.#broadcast(copy, from);
        else this.#members.get(to)?.send(copy);
        break;
      }
      case "leave":
        this.#members.get(from)!.close();
        this.#remove(from);
        break;
      case "join":
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
    if (this.#members.size > 0) return;
    this.#isInSession = false;
    for (const end of this.#emptyListeners) end();
  }

  #broadcast(message: FromHub, except?: number): void {
    for (const [member, wire] of this.#members) if (member !== except) wire.send(message);
  }
}

function explain(error: NodeJS.ErrnoException, { address, port }: HubOptions): Error {
  if (error.code === "EADDRINUSE")
    return new LaunchError(
      "ADDRESS_TAKEN",
      `the port of the rendezvous must be free; ${address}:${port} is in use; stop the program that uses it, or choose another port with --master-port or MASTER_PORT`,
    );
  if (error.code === "EADDRNOTAVAIL")
    return new LaunchError(
      "ADDRESS_NOT_HERE",
      `the rendezvous must be at an address of the first host; ${address} is not an address of this host; give one with --master-addr or MASTER_ADDR, or set DUALPIPE_ADDRESS to the address to listen at`,
    );
  return error;
}
