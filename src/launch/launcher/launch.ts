import { randomBytes } from "node:crypto";
import { Hub } from "../hub/hub.ts";
import { followAttempts } from "./follower.ts";
import { type Attempt, type Failure, type HostOptions, HostProcesses, rootOf } from "./host-processes.ts";
import { Followers } from "./other-hosts.ts";
import type { StopSignals } from "./stop-signals.ts";

export interface LaunchOptions extends HostOptions {
  /** Where host 0 is reached. */
  readonly masterAddress: string;
  /** Where the launchers of several hosts meet. */
  readonly masterPort: number;
  /** Where host 0 listens, when that is another address. */
  readonly address?: string | undefined;
  /** What all launchers of the run know; needed with several hosts. */
  readonly secret: string;
  /** How long the launchers wait for one another, at the start and at each restart. */
  readonly rendezvousTimeoutMs: number;
  /** After so long without a sign of life a host counts as lost. */
  readonly heartbeatTimeoutMs: number;
  /** Whether processes that ended so may end otherwise when they are started again. */
  readonly isWorthRestarting: (status: number) => boolean;
  readonly print: (text: string) => void;
}

/**
 * Starts this host's processes, and starts all processes of all hosts again when one fails, `maxRestarts` times at most.
 * @returns The failure that ended the run, if it did not end well.
 * @throws LaunchError when the launchers of several hosts do not meet.
 */
export async function launch(options: LaunchOptions, signals: StopSignals): Promise<Failure | undefined> {
  if (options.hostIndex > 0) return followAttempts(options, signals);
  const { numHosts, masterPort, secret } = options;
  const address = options.address ?? options.masterAddress;
  const hosts =
    numHosts > 1 ? await Hub.listen({ address, port: masterPort, secret, numMembers: numHosts }) : undefined;
  try {
    return await leadAttempts(options, address, signals);
  } finally {
    await hosts?.whenEmpty(options.heartbeatTimeoutMs);
    hosts?.close();
  }
}

async function leadAttempts(
  options: LaunchOptions,
  address: string,
  signals: StopSignals,
): Promise<Failure | undefined> {
  for (let number = 0; ; number++) {
    const followers =
      options.numHosts > 1 ? await Followers.gather({ ...options, address }, signals.signal) : undefined;
    const failure = await runAttempt(options, address, number, followers, signals);
    const isLast =
      failure === undefined ||
      signals.isStopping ||
      number >= options.maxRestarts ||
      !options.isWorthRestarting(failure.status);
    followers?.dismiss(isLast ? { failure: failure ?? null } : "again");
    if (isLast) return failure;
    options.print(`${failure.text}; restart ${number + 1} of ${options.maxRestarts}`);
  }
}

/** Runs all processes once, those of this host and those of the followers. */
async function runAttempt(
  options: LaunchOptions,
  address: string,
  number: number,
  followers: Followers | undefined,
  signals: StopSignals,
): Promise<Failure | undefined> {
  const { numHosts, numProcessesPerHost, masterAddress } = options;
  const secret = randomBytes(32).toString("hex");
  const numMembers = numHosts * numProcessesPerHost;
  let own: HostProcesses | undefined;
  // It would not end by itself in the time that processes have for it.
  const onSilent = (process: number): void => own?.endSilent(process);
  const hub = await Hub.listen({ address, port: 0, secret, numMembers, onSilent });
  try {
    const attempt: Attempt = { number, masterAddress, masterPort: hub.port, secret };
    followers?.start(attempt);
    own = new HostProcesses(options, attempt, () => followers?.stop());
    void followers?.firstFailure.then(() => {
      own?.stop();
      followers.stop();
    });
    using _ = signals.passTo(own);
    const outcomes = await Promise.all([own.ended, followers?.ended]);
    return rootOf(outcomes.flat().filter((outcome) => outcome !== undefined));
  } finally {
    hub.close();
  }
}
