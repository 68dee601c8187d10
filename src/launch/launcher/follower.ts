import { HubMember } from "../hub/hub-member.ts";
import { type FromFollower, type FromLeader, joinOptionsOf, type Verdict } from "./host-messages.ts";
import { type Failure, HostProcesses } from "./host-processes.ts";
import type { LaunchOptions } from "./launch.ts";
import type { StopSignals } from "./stop-signals.ts";

/**
 * Runs this host's processes as the launcher of host 0 says, until it says that the run has ended. While that one is not
 * reached, this one has none running, and waits for it.
 * @throws LaunchError RENDEZVOUS_TIMEOUT when it stays away.
 */
export async function followAttempts(
  options: LaunchOptions,
  signals: StopSignals,
): Promise<Failure | undefined> {
  for (;;) {
    const verdict = await new Follower(options, signals).followOne();
    if (verdict !== "again") return verdict.failure ?? undefined;
    signals.signal.throwIfAborted();
  }
}

/** One attempt, as the launcher of another host than host 0 takes part in it. */
class Follower {
  readonly #options: LaunchOptions;
  readonly #signals: StopSignals;
  #member!: HubMember;
  #processes: HostProcesses | undefined;
  #resolveVerdict!: (verdict: Verdict) => void;

  constructor(options: LaunchOptions, signals: StopSignals) {
    this.#options = options;
    this.#signals = signals;
  }

  async followOne(): Promise<Verdict> {
    const { masterAddress, print } = this.#options;
    const verdict = new Promise<Verdict>((resolve) => {
      this.#resolveVerdict = resolve;
    });
    this.#member = await HubMember.join({
      ...joinOptionsOf({ ...this.#options, address: masterAddress }, this.#signals.signal),
      onMessage: (_from, message) => this.#hear(message as FromLeader),
      onLost: (node, { text }) => {
        // What becomes of the others, host 0 says.
        if (node !== undefined && node !== 0) return;
        print(`host 0 is lost: ${text}; waiting for it to come back`);
        this.#processes?.stop();
        this.#resolveVerdict("again");
      },
    });
    const result = await verdict;
    this.#member.leave();
    await this.#processes?.ended;
    return result;
  }

  #hear(message: FromLeader): void {
    switch (message.kind) {
      case "start": {
        const processes = new HostProcesses(this.#options, message.attempt, () =>
          this.#say({ kind: "failing" }),
        );
        this.#processes = processes;
        const passing = this.#signals.passTo(processes);
        void processes.ended.then((failure) => {
          passing[Symbol.dispose]();
          this.#say({ kind: "ended", failure: failure ?? null });
        });
        break;
      }
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

  #say(message: FromFollower): void {
    this.#member.send(0, message);
  }
}
