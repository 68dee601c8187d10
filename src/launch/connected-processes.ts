/**
 * The processes of a run, from their rendezvous to their end, as one of them sees them. There are three phases:
 *
 * 1. Rendezvous: the main threads join a hub (hub/), which tells all when all are there, or who is missing.
 * 2. Connecting: led by process 0, they connect to one another (connection-attempts.ts). From then on
 *    ranks communicate directly, without a main thread.
 * 3. The run: main threads exchange messages through the hub, and each is told when another process
 *    disconnects, by the hub or because its heartbeats stop. They alone would notice a closed connection, but
 *    not a process that hangs.
 */

import { randomBytes, randomInt, randomUUID } from "node:crypto";
import type { Addon } from "../native/addon.ts";
import { CHANNEL_KINDS } from "../transport/process-group.ts";
import {
  checkNetworks,
  disconnectProcesses,
  type ProcessLayout,
} from "../transport/processes/connect-processes.ts";
import type { SentCount } from "../transport/returned-ranks.ts";
import { ATTEMPT_MESSAGES, ConnectionAttempts } from "./connection-attempts.ts";
import { type DisconnectCause, describeDisconnect, MALFORMED } from "./disconnect.ts";
import { addressTowards, untilResolved } from "./hub/addresses.ts";
import { findHub, type ProcessHub } from "./hub/find-hub.ts";
import { HubMember } from "./hub/hub-member.ts";
import { LaunchError } from "./launch-error.ts";
import {
  type Guard,
  isAnything,
  isCount,
  isText,
  listOf,
  type MessageOf,
  messageGuard,
  record,
} from "./message-shapes.ts";
import { type ProcessPlacement, runOfProcesses } from "./process-placement.ts";
import { RankError } from "./rank-error.ts";

export interface RendezvousOptions {
  /** How long the processes have to join and, once one has left, to leave. Default: 300,000. */
  readonly rendezvousTimeoutMs?: number | undefined;
  /** A process is gone after this long without a heartbeat. Default: 30,000. */
  readonly heartbeatTimeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What main threads send one another through the hub: `message` is the caller's. */
const HUB_MESSAGES = {
  ...ATTEMPT_MESSAGES,
  message: { body: isAnything },
  returned: { rank: isCount, sent: listOf(isSentCount) },
};

type HubMessage = MessageOf<typeof HUB_MESSAGES>;
const isHubMessage = messageGuard(HUB_MESSAGES);
type MessageListener = (from: number, body: unknown) => void;
type ReturnListener = (rank: number, sent: readonly SentCount[]) => void;

const DEFAULT_RENDEZVOUS_TIMEOUT_MS = 300_000;
const DEFAULT_HEARTBEAT_TIMEOUT_MS = 30_000;

export class ConnectedProcesses {
  readonly layout: ProcessLayout;
  /** The index of this process on its host. */
  readonly localProcess: number;
  readonly #addon: Addon;
  readonly #hub: ProcessHub;
  readonly #run: string;
  readonly #rendezvousTimeoutMs: number;
  readonly #attempts: ConnectionAttempts;
  readonly #messageListeners: MessageListener[] = [];
  readonly #returnListeners: ReturnListener[] = [];
  /** What the ranks of other processes that have returned had sent. */
  readonly #returned = new Map<number, readonly SentCount[]>();
  readonly #disconnected = new AbortController();
  #member!: HubMember;
  #hasLeft = false;

  /** Resolves when all processes of the run have joined and are connected. @throws LaunchError */
  static async connect(
    addon: Addon,
    placement: ProcessPlacement,
    options: RendezvousOptions = {},
  ): Promise<ConnectedProcesses> {
    // A missing network is reported now, not after the rendezvous.
    checkNetworks(addon, placement);
    const {
      rendezvousTimeoutMs = DEFAULT_RENDEZVOUS_TIMEOUT_MS,
      heartbeatTimeoutMs = DEFAULT_HEARTBEAT_TIMEOUT_MS,
      signal,
    } = options;
    const times = { rendezvousTimeoutMs, heartbeatTimeoutMs };
    const address = await ownAddress(placement, rendezvousTimeoutMs, signal);
    const hub = await findHub(addon, placement, address);
    const processes = new ConnectedProcesses(addon, placement, address, hub, times);
    try {
      await processes.#join(heartbeatTimeoutMs, signal);
      await processes.#connect(signal);
    } catch (error) {
      await processes.leave({ well: false });
      throw error;
    }
    return processes;
  }

  private constructor(
    addon: Addon,
    placement: ProcessPlacement,
    address: string,
    hub: ProcessHub,
    times: { readonly rendezvousTimeoutMs: number; readonly heartbeatTimeoutMs: number },
  ) {
    const { process, numProcesses, ranksPerProcess, localProcess = 0, network, cardNetwork } = placement;
    this.layout = { process, numProcesses, ranksPerProcess };
    this.#run = runOfProcesses(addon, placement);
    this.localProcess = localProcess;
    this.#addon = addon;
    this.#hub = hub;
    this.#rendezvousTimeoutMs = times.rendezvousTimeoutMs;
    this.#attempts = new ConnectionAttempts({
      ...times,
      addon,
      layout: this.layout,
      network,
      cardNetwork,
      name: `processes-${randomUUID()}`,
      address: addressForOthers(address),
      send: (to, message) => this.#member.send(to, message),
    });
  }

  /** The name by which the ranks of this process find the connections. */
  get bridge(): string {
    return this.#attempts.bridge;
  }

  /** Aborted when another process, or the hub, is gone; the reason is a RankError that names it. */
  get disconnected(): AbortSignal {
    return this.#disconnected.signal;
  }

  /** Sends a message to the main thread of another process, or of all others. */
  send(to: number | "others", body: unknown): void {
    const message: HubMessage = { kind: "message", body };
    this.#member.send(to, message);
  }

  /**
   * Calls the listener with every message that arrives from now on. A process that sends anything but a `Body` is
   * regarded as gone.
   */
  onMessage<Body>(isBody: Guard<Body>, listener: (from: number, body: Body) => void): void {
    this.#messageListeners.push((from, body) => {
      if (isBody(body)) listener(from, body);
      else this.#disconnect(from, MALFORMED);
    });
  }

  /** Tells the other processes that a rank of this one has returned, and what it had sent. */
  announceReturn(rank: number, sent: readonly SentCount[]): void {
    const message: HubMessage = { kind: "returned", rank, sent };
    this.#member.send("others", message);
  }

  /** Calls the listener with every rank of another process that returns, or has returned already. */
  onReturn(listener: ReturnListener): void {
    for (const [rank, sent] of this.#returned) listener(rank, sent);
    this.#returnListeners.push(listener);
  }

  /**
   * Ends the connections. When all went well, the process that serves the hub waits until the others have left,
   * for the time of the rendezvous at most.
   */
  async leave({ well }: { readonly well: boolean }): Promise<void> {
    disconnectProcesses(this.#addon, this.bridge);
    this.#hasLeft = true;
    this.#member?.leave();
    if (well) await this.#hub.served?.whenEmpty(this.#rendezvousTimeoutMs);
    this.#hub.served?.close();
  }

  /** The first phase. */
  async #join(heartbeatTimeoutMs: number, signal: AbortSignal | undefined): Promise<void> {
    const { process, numProcesses } = this.layout;
    this.#member = await HubMember.join({
      locate: this.#hub.locate,
      noun: "process",
      member: process,
      numMembers: numProcesses,
      run: this.#run,
      rendezvousTimeoutMs: this.#rendezvousTimeoutMs,
      heartbeatTimeoutMs,
      signal,
      isBody: isHubMessage,
      onMessage: (from, body) => this.#receive(from, body),
      onDisconnect: (member, cause) => this.#disconnect(member, cause),
    });
  }

  /** The second phase. */
  async #connect(signal: AbortSignal | undefined): Promise<void> {
    const abort = (): void => this.#attempts.abort(signal!.reason);
    signal?.addEventListener("abort", abort, { once: true });
    if (this.layout.process === 0) this.#attempts.lead();
    try {
      await this.#attempts.connected;
    } finally {
      signal?.removeEventListener("abort", abort);
    }
  }

  #receive(from: number, message: HubMessage): void {
    switch (message.kind) {
      case "message":
        for (const listener of this.#messageListeners) listener(from, message.body);
        break;
      case "returned":
        this.#addReturn(from, message.rank, message.sent);
        break;
      default:
        this.#attempts.receive(from, message);
    }
  }

  #addReturn(from: number, rank: number, sent: readonly SentCount[]): void {
    if (Math.floor(rank / this.layout.ranksPerProcess) === from) {
      this.#returned.set(rank, sent);
      for (const listener of this.#returnListeners) listener(rank, sent);
    } else this.#disconnect(from, MALFORMED);
  }

  #disconnect(process: number | undefined, cause: DisconnectCause): void {
    if (this.#hasLeft) return;
    const isUnresponsive = cause.kind === "no heartbeat";
    const problem = describeDisconnect(this.#describe(process), cause);
    this.#attempts.abort(
      new LaunchError(
        isUnresponsive ? "RENDEZVOUS_TIMEOUT" : "RENDEZVOUS_FAILED",
        `all processes had joined the run, but while they connected ${problem}`,
      ),
    );
    const code = isUnresponsive ? "HEARTBEAT_TIMEOUT" : "DISCONNECTED";
    this.#disconnected.abort(new RankError(undefined, code, problem));
  }

  #describe(process: number | undefined): string {
    if (process === undefined) return "the hub of the run";
    const { ranksPerProcess } = this.layout;
    const first = process * ranksPerProcess;
    const ranks =
      ranksPerProcess === 1 ? `rank ${first}` : `ranks ${first} to ${first + ranksPerProcess - 1}`;
    return `process ${process} (${ranks})`;
  }
}

/**
 * The address at which this process listens while it connects. Every address from 127.0.0.1 to 127.255.255.254 is this
 * host's own, so processes of one host use a random one, where no scanner of well-known addresses looks.
 */
function addressForOthers(address: string): string {
  if (address !== "127.0.0.1") return address;
  const [a, b] = randomBytes(2);
  return `127.${a}.${b}.${1 + randomInt(254)}`;
}

/**
 * The address at which a process listens. An empty one would listen on all interfaces.
 * @throws LaunchError ADDRESS_NOT_HERE; RENDEZVOUS_TIMEOUT when the name of the master's host has no address in time
 */
async function ownAddress(
  { address, masterAddress, masterPort, process, numProcesses }: ProcessPlacement,
  rendezvousTimeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<string> {
  if (address === undefined) {
    const membership = { noun: "process", member: process, numMembers: numProcesses } as const;
    await untilResolved(masterAddress, { ...membership, rendezvousTimeoutMs, signal });
    return addressTowards(masterAddress, masterPort);
  }
  if (address !== "") return address;
  throw new LaunchError(
    "ADDRESS_NOT_HERE",
    `the address at which a process listens must be one of its host; got "" for process ${process}; leave it undefined for the one on the route to the master`,
  );
}

/** Counts are kept as 32-bit numbers. */
const MAX_SENT = 2 ** 31 - 2;

function isSentCount(value: unknown): value is SentCount {
  const isCounted = record({ destination: isCount, kind: isText, count: isCount })(value);
  return isCounted && value.count <= MAX_SENT && CHANNEL_KINDS.some((kind) => kind === value.kind);
}
