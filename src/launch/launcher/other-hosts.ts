import { type DisconnectCause, describeDisconnect } from "../disconnect.ts";
import { EXIT_STATUS } from "../exit-status.ts";
import { HubMember } from "../hub/hub-member.ts";
import {
  type FromFollower,
  type FromLeader,
  isFromFollower,
  joinOptionsOf,
  type Verdict,
} from "./host-messages.ts";
import type { Attempt, Failure, LaunchOptions } from "./launch-options.ts";

/**
 * The other hosts during one attempt, as the leader sees them: it tells their launchers what to do, and hears
 * of failures.
 */
export class OtherHosts {
  /** Resolves with every host's failure, if it had one, when each has ended its processes or disconnected. */
  readonly ended: Promise<(Failure | undefined)[]>;
  /** Resolves when the first process of another host has failed, or its host has disconnected. */
  readonly firstFailure: Promise<void>;
  readonly #outcomes = new Map<number, Failure | undefined>();
  readonly #numHosts: number;
  #member!: HubMember;
  #resolveEnded!: (outcomes: (Failure | undefined)[]) => void;
  #resolveFirstFailure!: () => void;

  /** Resolves when the launchers of all hosts have joined. @throws LaunchError RENDEZVOUS_TIMEOUT */
  static async gather(
    options: LaunchOptions & { readonly address: string },
    signal: AbortSignal,
  ): Promise<OtherHosts> {
    const hosts = new OtherHosts(options.numHosts - 1);
    hosts.#member = await HubMember.join({
      ...joinOptionsOf(options, signal),
      isBody: isFromFollower,
      onMessage: (from, message) => hosts.#receive(from, message),
      onDisconnect: (host, cause) => hosts.#disconnect(host, cause),
    });
    return hosts;
  }

  private constructor(numHosts: number) {
    this.#numHosts = numHosts;
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
    this.firstFailure = new Promise((resolve) => {
      this.#resolveFirstFailure = resolve;
    });
  }

  start(attempt: Attempt): void {
    this.#send({ kind: "start", attempt });
  }

  stop(): void {
    this.#send({ kind: "stop" });
  }

  dismiss(verdict: Verdict): void {
    this.#send({ kind: "dismiss", verdict });
    this.#member.leave();
  }

  #send(message: FromLeader): void {
    this.#member.send("others", message);
  }

  #receive(host: number, message: FromFollower): void {
    switch (message.kind) {
      case "failing":
        this.#resolveFirstFailure();
        break;
      case "ended":
        this.#end(host, message.failure ?? undefined);
        break;
      default:
        message satisfies never;
    }
  }

  #disconnect(host: number | undefined, cause: DisconnectCause): void {
    // The hub is this process's own.
    if (host === undefined) return;
    const status = cause.kind === "no heartbeat" ? EXIT_STATUS.timedOut : EXIT_STATUS.rankFailed;
    this.#end(host, { status, text: describeDisconnect(`host ${host}`, cause) });
  }

  #end(host: number, failure: Failure | undefined): void {
    if (this.#outcomes.has(host)) return;
    this.#outcomes.set(host, failure);
    if (failure) this.#resolveFirstFailure();
    if (this.#outcomes.size === this.#numHosts) this.#resolveEnded([...this.#outcomes.values()]);
  }
}
