/**
 * The launcher of a host other than host 0. It decides nothing: the leader tells it when to start its
 * processes, when to stop them because another host's failed, and what becomes of the run once all have ended.
 * It reports when its first process fails and when all have ended.
 *
 * If it loses the leader, it cannot know whether the run goes on. It stops its processes, which have lost their
 * hub as well, and joins the leader again as if it had just been started; a leader that comes back finds it
 * waiting. So starting host 0 again by hand, or in a new pod, is all that a lost leader needs.
 */
import { describeDisconnect } from "../disconnect.ts";
import { HubMember } from "../hub/hub-member.ts";
import {
  type FromFollower,
  type FromLeader,
  isFromLeader,
  joinOptionsOf,
  type Verdict,
} from "./host-messages.ts";
import { HostProcesses } from "./host-processes.ts";
import type { Attempt, Failure, LaunchOptions } from "./launch-options.ts";
import type { StopSignals } from "./stop-signals.ts";

/**
 * Runs this host's processes for the leader, through all restarts.
 * @returns The failure that ended the run, if it failed.
 * @throws LaunchError RENDEZVOUS_TIMEOUT when the leader cannot be reached.
 */
export async function followLeader(
  options: LaunchOptions,
  signals: StopSignals,
): Promise<Failure | undefined> {
  for (;;) {
    const verdict = await new Follower(options, signals).followAttempt();
    if (verdict !== "restart") return verdict.failure ?? undefined;
    signals.signal.throwIfAborted();
  }
}

/** This launcher's part in one attempt. */
class Follower {
  readonly #options: LaunchOptions;
  readonly #signals: StopSignals;
  readonly #verdict: Promise<Verdict>;
  #resolveVerdict!: (verdict: Verdict) => void;
  #member!: HubMember;
  #processes: HostProcesses | undefined;

  constructor(options: LaunchOptions, signals: StopSignals) {
    this.#options = options;
    this.#signals = signals;
    this.#verdict = new Promise((resolve) => {
      this.#resolveVerdict = resolve;
    });
  }

  async followAttempt(): Promise<Verdict> {
    const { masterAddress, print } = this.#options;
    this.#member = await HubMember.join({
      ...joinOptionsOf({ ...this.#options, address: masterAddress }, this.#signals.signal),
      isBody: isFromLeader,
      onMessage: (host, message) => {
        if (host === 0) this.#receive(message);
      },
      onDisconnect: (host, cause) => {
        // The leader decides what to do about any other host.
        if (host !== undefined && host !== 0) return;
        print(`${describeDisconnect("host 0", cause)}; waiting for it to come back`);
        this.#processes?.stop();
        this.#resolveVerdict("restart");
      },
    });
    const verdict = await this.#verdict;
    this.#member.leave();
    await this.#processes?.ended;
    return verdict;
  }

  #receive(message: FromLeader): void {
    switch (message.kind) {
      case "start":
        this.#start(message.attempt);
        break;
      case "stop":
        this.#processes?.stop();
        break;
      case "dismiss":
        this.#resolveVerdict(message.verdict);
        break;
      default:
        message satisfies never;
    }
  }

  #start(attempt: Attempt): void {
    if (this.#processes !== undefined) return;
    const processes = new HostProcesses(this.#options, attempt, () => this.#send({ kind: "failing" }));
    this.#processes = processes;
    const passing = this.#signals.passTo(processes);
    void processes.ended.then((failure) => {
      passing[Symbol.dispose]();
      this.#send({ kind: "ended", failure: failure ?? null });
    });
  }

  #send(message: FromFollower): void {
    this.#member.send(0, message);
  }
}
