import { EXIT_STATUS } from "../exit-status.ts";
import { HubMember } from "../hub/hub-member.ts";
import type { WireEnd } from "../hub/wire.ts";
import { type FromFollower, type FromLeader, joinOptionsOf, type Verdict } from "./host-messages.ts";
import type { Attempt, Failure } from "./host-processes.ts";
import type { LaunchOptions } from "./launch.ts";

/** The launchers of the other hosts, during one attempt, as that of host 0 sees them. */
export class Followers {
  /** Resolves with what became of each host's processes, when none of them is left or its host is lost. */
  readonly ended: Promise<(Failure | undefined)[]>;
  /** Resolves when the first process of another host has failed. */
  readonly firstFailure: Promise<void>;
  readonly #outcomes = new Map<number, Failure | undefined>();
  readonly #numFollowers: number;
  #member!: HubMember;
  #resolveEnded!: (outcomes: (Failure | undefined)[]) => void;
  #resolveFirstFailure!: () => void;

  /** Resolves when the launchers of all hosts are there. @throws LaunchError RENDEZVOUS_TIMEOUT */
  static async gather(
    options: LaunchOptions & { readonly address: string },
    signal: AbortSignal,
  ): Promise<Followers> {
    const followers = new Followers(options.numHosts - 1);
    followers.#member = await HubMember.join({
      ...joinOptionsOf(options, signal),
      onMessage: (from, message) => followers.#hear(from, message as FromFollower),
      onLost: (node, loss) => followers.#lose(node, loss),
    });
    return followers;
  }

  private constructor(numFollowers: number) {
    this.#numFollowers = numFollowers;
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
    this.firstFailure = new Promise((resolve) => {
      this.#resolveFirstFailure = resolve;
    });
  }

  start(attempt: Attempt): void {
    this.#say({ kind: "start", attempt });
  }

  stop(): void {
    this.#say({ kind: "stop" });
  }

  dismiss(verdict: Verdict): void {
    this.#say({ kind: "dismiss", verdict });
    this.#member.leave();
  }

  #say(message: FromLeader): void {
    this.#member.send("others", message);
  }

  #hear(node: number, message: FromFollower): void {
    switch (message.kind) {
      case "failing":
        this.#resolveFirstFailure();
        break;
      case "ended":
        this.#end(node, message.failure ?? undefined);
        break;
      default:
        message satisfies never;
    }
  }

  #lose(node: number | undefined, { isSilent, text }: WireEnd): void {
    const { timedOut, rankFailed } = EXIT_STATUS;
    const failure = { status: isSilent ? timedOut : rankFailed, text: `host ${node} is lost: ${text}` };
    if (node !== undefined) this.#end(node, failure);
  }

  #end(node: number, failure: Failure | undefined): void {
    if (this.#outcomes.has(node)) return;
    this.#outcomes.set(node, failure);
    if (failure) this.#resolveFirstFailure();
    if (this.#outcomes.size === this.#numFollowers) this.#resolveEnded([...this.#outcomes.values()]);
  }
}
