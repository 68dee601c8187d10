import { randomBytes, randomInt, randomUUID } from "node:crypto";
import type { Addon } from "../native/addon.ts";
import {
  type Connecting,
  connectProcesses,
  disconnectProcesses,
  glooOf,
  type ProcessLayout,
} from "../transport/gloo/connect-processes.ts";
import { findHub, type ProcessHub } from "./hub/find-hub.ts";
import { HubMember } from "./hub/hub-member.ts";
import type { WireEnd } from "./hub/wire.ts";
import { LaunchError } from "./launch-error.ts";
import type { ProcessPlacement } from "./process-placement.ts";

export interface RendezvousOptions {
  /** How long the processes have to come, and, once one has left, to leave. */
  readonly rendezvousTimeoutMs?: number | undefined;
  /** After so long without a sign of life a process counts as lost. */
  readonly heartbeatTimeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What the processes say to one another while they connect, and, as `message`, afterwards. */
type Said =
  /** Process 0 begins an attempt to connect. */
  | {
      readonly kind: "attempt";
      readonly attempt: number;
      readonly secret: string;
      readonly timeoutMs: number;
    }
  | { readonly kind: "key"; readonly attempt: number; readonly key: string; readonly value: string }
  | { readonly kind: "tried"; readonly attempt: number; readonly problem: string | null }
  | { readonly kind: "connected" }
  | { readonly kind: "failed"; readonly reason: string }
  | { readonly kind: "message"; readonly body: unknown };

const DEFAULT_RENDEZVOUS_TIMEOUT_MS = 300_000;
const DEFAULT_HEARTBEAT_TIMEOUT_MS = 30_000;
/** Of the first attempt to connect, when all are there already; each further one gets twice as long. */
const FIRST_ATTEMPT_MS = 5_000;

/**
 * While it connects, Gloo listens, and takes whoever comes first. Processes of one host need not do that where everybody
 * looks: all addresses from 127.0.0.1 to 127.255.255.254 are the host's own.
 */
function addressForGloo(address: string): string {
  if (address !== "127.0.0.1") return address;
  const [a, b] = randomBytes(2);
  return `127.${a}.${b}.${1 + randomInt(254)}`;
}

/** The processes of a run, all of them there and connected. */
export class ConnectedProcesses {
  readonly layout: ProcessLayout;
  onMessage: ((from: number, body: unknown) => void) | undefined;
  /** A process is lost; undefined when it is the hub. */
  onLost: ((process: number | undefined, loss: WireEnd) => void) | undefined;
  readonly #addon: Addon;
  readonly #address: string;
  readonly #hub: ProcessHub;
  readonly #name = `processes-${randomUUID()}`;
  readonly #rendezvousTimeoutMs: number;
  #member!: HubMember;
  #attempt: { readonly number: number; readonly connecting: Connecting } | undefined;
  /** What the others made of the present attempt, in process 0. */
  readonly #tried = new Map<number, string | null>();
  #onTried: (() => void) | undefined;
  #settle!: { readonly resolve: () => void; readonly reject: (error: Error) => void };

  /**
   * Resolves when all processes are there and connected. Somebody who is none of them, and takes the place of one while
   * they connect, costs another attempt.
   * @throws LaunchError
   */
  static async connect(
    addon: Addon,
    placement: ProcessPlacement,
    options: RendezvousOptions = {},
  ): Promise<ConnectedProcesses> {
    // Whether it can connect at all, it says now.
    glooOf(addon);
    const {
      rendezvousTimeoutMs = DEFAULT_RENDEZVOUS_TIMEOUT_MS,
      heartbeatTimeoutMs = DEFAULT_HEARTBEAT_TIMEOUT_MS,
    } = options;
    const hub = await findHub(addon, placement, rendezvousTimeoutMs);
    const met = new ConnectedProcesses(addon, placement, hub, rendezvousTimeoutMs);
    try {
      await met.#join(placement, { rendezvousTimeoutMs, heartbeatTimeoutMs, signal: options.signal });
    } catch (error) {
      await met.leave({ well: false });
      throw error;
    }
    return met;
  }

  private constructor(
    addon: Addon,
    placement: ProcessPlacement,
    hub: ProcessHub,
    rendezvousTimeoutMs: number,
  ) {
    const { process, numProcesses, ranksPerProcess } = placement;
    this.layout = { process, numProcesses, ranksPerProcess };
    this.#addon = addon;
    this.#address = addressForGloo(placement.address);
    this.#hub = hub;
    this.#rendezvousTimeoutMs = rendezvousTimeoutMs;
  }

  /** The name by which the ranks of this process find the connections. */
  get bridge(): string {
    return `${this.#name}-${this.#attempt?.number}/`;
  }

  /** To the main thread of another process, or of all others. */
  send(to: number | "others", body: unknown): void {
    this.#say(to, { kind: "message", body });
  }

  /** Ends what is left of the connections. When all went well, the process that serves the hub waits until the others have left. */
  async leave({ well }: { readonly well: boolean }): Promise<void> {
    disconnectProcesses(this.#addon, this.bridge);
    this.onLost = undefined;
    this.#member?.leave();
    if (well) await this.#hub.served?.whenEmpty(this.#rendezvousTimeoutMs);
    this.#hub.served?.close();
  }

  async #join(
    { process, numProcesses, ranksPerProcess }: ProcessPlacement,
    options: RendezvousOptions & { rendezvousTimeoutMs: number; heartbeatTimeoutMs: number },
  ): Promise<void> {
    const connected = new Promise<void>((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    // It is awaited below, unless the meeting itself fails.
    connected.catch(() => {});
    this.#member = await HubMember.join({
      ...options,
      locate: () => this.#hub.locate(),
      noun: "process",
      member: process,
      numMembers: numProcesses,
      run: `a run of ${numProcesses * ranksPerProcess} ranks in ${numProcesses} processes`,
      onMessage: (from, body) => this.#hear(from, body as Said),
      onLost: (member, loss) => this.#lose(member, loss),
    });
    const giveUp = (): void => this.#settle.reject(options.signal!.reason as Error);
    options.signal?.addEventListener("abort", giveUp, { once: true });
    if (process === 0) void this.#leadAttempts().catch(this.#settle.reject);
    try {
      await connected;
    } finally {
      options.signal?.removeEventListener("abort", giveUp);
      this.#settle = { resolve: () => {}, reject: () => {} };
    }
  }

  #say(to: number | "others", said: Said): void {
    this.#member.send(to, said);
  }

  #hear(from: number, said: Said): void {
    switch (said.kind) {
      case "attempt":
        void this.#try(said.attempt, said.secret, said.timeoutMs).then((problem) =>
          this.#say(0, { kind: "tried", attempt: said.attempt, problem }),
        );
        break;
      case "key":
        if (said.attempt === this.#attempt?.number)
          this.#attempt.connecting.learn(said.key, Buffer.from(said.value, "base64"));
        break;
      case "tried":
        if (said.attempt !== this.#attempt?.number) break;
        this.#tried.set(from, said.problem);
        this.#onTried?.();
        break;
      case "connected":
        this.#settle.resolve();
        break;
      case "failed":
        this.#settle.reject(new LaunchError("RENDEZVOUS_FAILED", said.reason));
        break;
      case "message":
        this.onMessage?.(from, said.body);
        break;
      default:
        said satisfies never;
    }
  }

  #lose(process: number | undefined, loss: WireEnd): void {
    const who = process === undefined ? "the hub" : `process ${process}`;
    const code = loss.isSilent ? "RENDEZVOUS_TIMEOUT" : "RENDEZVOUS_FAILED";
    this.#settle.reject(new LaunchError(code, `${who} is gone while all connect: ${loss.text}`));
    this.onLost?.(process, loss);
  }

  /** Process 0 has all try until all of them have succeeded in the same attempt. */
  async #leadAttempts(): Promise<void> {
    const deadlineMs = performance.now() + this.#rendezvousTimeoutMs;
    for (let attempt = 0; ; attempt++) {
      const secret = randomBytes(32).toString("hex");
      const timeoutMs = FIRST_ATTEMPT_MS * 2 ** attempt;
      this.#tried.clear();
      this.#say("others", { kind: "attempt", attempt, secret, timeoutMs });
      this.#tried.set(0, await this.#try(attempt, secret, timeoutMs));
      await this.#allTried();
      const [failed] = [...this.#tried].filter(([, problem]) => problem !== null);
      if (failed === undefined) break;
      if (performance.now() > deadlineMs) {
        const reason = `all are there, but process ${failed[0]} could not connect: ${failed[1]}`;
        this.#say("others", { kind: "failed", reason });
        throw new LaunchError("RENDEZVOUS_FAILED", reason);
      }
    }
    this.#say("others", { kind: "connected" });
    this.#settle.resolve();
  }

  async #allTried(): Promise<void> {
    while (this.#tried.size < this.layout.numProcesses)
      await new Promise<void>((resolve) => {
        this.#onTried = resolve;
      });
  }

  /** @returns What went wrong, or null. */
  async #try(number: number, secret: string, timeoutMs: number): Promise<string | null> {
    // Of the attempt before, which succeeded here and not elsewhere.
    disconnectProcesses(this.#addon, this.bridge);
    const connecting = connectProcesses(this.#addon, {
      name: `${this.#name}-${number}/`,
      layout: this.layout,
      address: this.#address,
      secret,
      connectTimeoutMs: timeoutMs,
      leaveTimeoutMs: this.#rendezvousTimeoutMs,
      publish: (key, value) =>
        this.#say("others", {
          kind: "key",
          attempt: number,
          key,
          value: Buffer.from(value).toString("base64"),
        }),
    });
    this.#attempt = { number, connecting };
    try {
      await connecting.connected;
      return null;
    } catch (error) {
      return (error as Error).message;
    }
  }
}
