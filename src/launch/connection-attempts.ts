/**
 * Connecting all processes of a run to one another, when all of them have joined the hub.
 *
 * Gloo (native/gloo_wire.cpp) connects each pair of processes by a port that one of them opens for some milliseconds,
 * and takes the first client that comes. Nothing authenticates that client, so a port scanner can take a peer's place,
 * and then this process fails to connect while others have succeeded. A retry by one process alone would not help: its
 * peers already hold connections that lead nowhere.
 *
 * So an attempt is collective. Process 0 announces it with a fresh secret and a timeout. Every process
 * publishes its keys through the hub, connects, and proves to each peer with a token derived from the
 * secret that it belongs to this attempt; then it reports its result to process 0. If one process failed,
 * process 0 starts another attempt, with twice the time, and everyone drops the connections of the one before.
 * The attempts end when all processes succeeded in the same one, or when the time of the rendezvous is over.
 *
 * Invariant: messages carry the number of their attempt, and those of an earlier one are ignored.
 */
import { randomBytes } from "node:crypto";
import type { Addon } from "../native/addon.ts";
import {
  type CardNetwork,
  type Connecting,
  connectProcesses,
  disconnectProcesses,
  type Network,
  type ProcessLayout,
} from "../transport/processes/connect-processes.ts";
import { LaunchError } from "./launch-error.ts";
import { either, exactly, isCount, isDuration, isText, type MessageOf } from "./message-shapes.ts";

/** What processes tell one another while they connect. */
export const ATTEMPT_MESSAGES = {
  /** Process 0 starts an attempt. */
  attempt: { attempt: isCount, secret: isText, timeoutMs: isDuration },
  key: { attempt: isCount, key: isText, value: isText },
  /** A process's result of an attempt, for process 0; null is success. */
  result: { attempt: isCount, problem: either(isText, exactly(null)) },
  /** All processes are connected. */
  connected: {},
  /** Process 0 gives up. */
  failed: { reason: isText },
};

export type AttemptMessage = MessageOf<typeof ATTEMPT_MESSAGES>;

export interface ConnectionAttemptsOptions {
  readonly addon: Addon;
  readonly layout: ProcessLayout;
  readonly network?: Network | undefined;
  readonly cardNetwork?: CardNetwork | undefined;
  /** The name of this process's connections, to which the number of the attempt is added. */
  readonly name: string;
  /** Where this process listens. */
  readonly address: string;
  readonly rendezvousTimeoutMs: number;
  readonly heartbeatTimeoutMs: number;
  readonly send: (to: number | "others", message: AttemptMessage) => void;
}

/** The timeout of the first attempt. All processes are there already, so a few seconds suffice. */
const FIRST_ATTEMPT_MS = 5_000;
const LONGEST_ATTEMPT_MS = 600_000;

export class ConnectionAttempts {
  /** Resolves when all processes are connected. @throws LaunchError; the reason given to `abort`. */
  readonly connected: Promise<void>;
  readonly #options: ConnectionAttemptsOptions;
  #current: { readonly attempt: number; readonly connecting: Connecting } | undefined;
  /** In process 0: the results of the current attempt, by process. */
  readonly #results = new Map<number, string | null>();
  #onResult: () => void = () => {};
  #resolve!: () => void;
  #reject!: (reason: unknown) => void;

  constructor(options: ConnectionAttemptsOptions) {
    this.#options = options;
    this.connected = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // A caller that never reaches the connecting does not await it.
    this.connected.catch(() => {});
  }

  /** The name by which this process's ranks find the connections of the current attempt. */
  get bridge(): string {
    return this.#nameOf(this.#current?.attempt);
  }

  /** Starts the attempts, in process 0; the other processes follow its messages. */
  lead(): void {
    this.#lead().catch(this.#reject);
  }

  /** Ends the waiting for connections. */
  abort(reason: unknown): void {
    this.#reject(reason);
  }

  receive(from: number, message: AttemptMessage): void {
    const isFromLeader = from === 0 && this.#options.layout.process !== 0;
    const isForFollower = message.kind !== "key" && message.kind !== "result";
    if (isForFollower && !isFromLeader) return;
    switch (message.kind) {
      case "attempt": {
        const { attempt, secret, timeoutMs } = message;
        void this.#try(attempt, secret, timeoutMs).then((problem) =>
          this.#options.send(0, { kind: "result", attempt, problem }),
        );
        break;
      }
      case "key":
        if (message.attempt === this.#current?.attempt)
          this.#current.connecting.learn(message.key, Buffer.from(message.value, "base64"));
        break;
      case "result":
        if (message.attempt !== this.#current?.attempt) break;
        this.#results.set(from, message.problem);
        this.#onResult();
        break;
      case "connected":
        this.#resolve();
        break;
      case "failed":
        this.#reject(new LaunchError("RENDEZVOUS_FAILED", message.reason));
        break;
      default:
        message satisfies never;
    }
  }

  async #lead(): Promise<void> {
    const { rendezvousTimeoutMs, heartbeatTimeoutMs, send } = this.#options;
    const deadlineMs = performance.now() + rendezvousTimeoutMs;
    for (let attempt = 0; ; attempt++) {
      const secret = randomBytes(32).toString("hex");
      const timeoutMs = Math.min(LONGEST_ATTEMPT_MS, FIRST_ATTEMPT_MS * 2 ** attempt);
      this.#results.clear();
      send("others", { kind: "attempt", attempt, secret, timeoutMs });
      this.#results.set(0, await this.#try(attempt, secret, timeoutMs));
      await this.#allResults(timeoutMs + heartbeatTimeoutMs);
      const [failed] = [...this.#results].filter(([, problem]) => problem !== null);
      if (failed === undefined) break;
      if (performance.now() > deadlineMs) {
        const [process, problem] = failed;
        const reason = `process ${process} could not connect to the others in ${attempt === 0 ? "1 attempt" : `${attempt + 1} attempts`}, though all had joined the run: ${problem}; check that the hosts can reach each other's ports, and that no other program connects to them`;
        send("others", { kind: "failed", reason });
        throw new LaunchError("RENDEZVOUS_FAILED", reason);
      }
    }
    send("others", { kind: "connected" });
    this.#resolve();
  }

  /** Resolves when every process has reported its result; one that does not in time has failed. */
  async #allResults(timeoutMs: number): Promise<void> {
    const { numProcesses } = this.#options.layout;
    if (this.#results.size === numProcesses) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.#onResult = () => {
        if (this.#results.size < numProcesses) return;
        clearTimeout(timer);
        resolve();
      };
    });
    this.#onResult = () => {};
    for (let process = 0; process < numProcesses; process++)
      if (!this.#results.has(process))
        this.#results.set(process, `it did not report its result within ${timeoutMs / 1000} s`);
  }

  /** @returns What went wrong, or null. */
  async #try(attempt: number, secret: string, timeoutMs: number): Promise<string | null> {
    const { addon, layout, network, cardNetwork, address, rendezvousTimeoutMs, send } = this.#options;
    // The attempt before may have succeeded here and failed elsewhere.
    disconnectProcesses(addon, this.bridge);
    const connecting = connectProcesses(addon, {
      name: this.#nameOf(attempt),
      layout,
      network,
      cardNetwork,
      address,
      secret,
      connectTimeoutMs: timeoutMs,
      leaveTimeoutMs: rendezvousTimeoutMs,
      publish: (key, value) =>
        send("others", { kind: "key", attempt, key, value: Buffer.from(value).toString("base64") }),
    });
    this.#current = { attempt, connecting };
    try {
      await connecting.connected;
      return null;
    } catch (error) {
      return (error as Error).message;
    }
  }

  #nameOf(attempt: number | undefined): string {
    return `${this.#options.name}-${attempt}/`;
  }
}
