/**
 * `dualpipe launch`: starts the processes of a run, and restarts them all when one fails.
 *
 * A pipeline cannot go on without one of its ranks, and a single process that is started again cannot rejoin
 * the others, whose connections and half-finished steps belong to the old one. So a restart is collective: all
 * processes of all hosts end, and all start again from the newest checkpoint. With several hosts, one launcher
 * must decide when: that of host 0 leads, those of the other hosts follow (follower.ts), and all join a hub for
 * launchers at the master's port.
 *
 * Each attempt has two hubs: that of the launchers, and one with a fresh port and secret for the processes. A
 * process that is left over from an earlier attempt, or that could not be killed, therefore cannot disturb the
 * next one.
 *
 * When a process fails, the others have a few seconds to notice and to report what they were waiting for. Then
 * all are killed. Of the failures that come in, `rootOf` picks the one that the others follow from; its exit
 * status decides whether a restart may help.
 */
import { randomBytes } from "node:crypto";
import { untilResolved } from "../hub/addresses.ts";
import { Hub } from "../hub/hub.ts";
import { followLeader } from "./follower.ts";
import { membershipOf, runOfHosts } from "./host-messages.ts";
import { HostProcesses, rootOf } from "./host-processes.ts";
import type { Attempt, Failure, LaunchOptions } from "./launch-options.ts";
import { OtherHosts } from "./other-hosts.ts";
import type { StopSignals } from "./stop-signals.ts";

/**
 * Runs this host's processes, and restarts all processes of all hosts when one fails, `maxRestarts` times at most.
 * @returns The failure that ended the run, if it failed.
 * @throws LaunchError when the launchers of several hosts do not find one another.
 */
export async function launch(options: LaunchOptions, signals: StopSignals): Promise<Failure | undefined> {
  if (options.hostIndex > 0) return followLeader(options, signals);
  const { numHosts, masterPort, secret } = options;
  const address = await untilResolved(
    options.address ?? options.masterAddress,
    membershipOf(options, signals.signal),
  );
  const hub =
    numHosts > 1
      ? await Hub.listen({
          address,
          port: masterPort,
          secret,
          numMembers: numHosts,
          run: runOfHosts(options),
        })
      : undefined;
  try {
    return await leadAttempts(options, address, signals);
  } finally {
    await hub?.whenEmpty(options.heartbeatTimeoutMs);
    hub?.close();
  }
}

async function leadAttempts(
  options: LaunchOptions,
  address: string,
  signals: StopSignals,
): Promise<Failure | undefined> {
  for (let number = 0; ; number++) {
    const others =
      options.numHosts > 1 ? await OtherHosts.gather({ ...options, address }, signals.signal) : undefined;
    const failure = await runAttempt(options, address, number, others, signals);
    const isLast =
      failure === undefined ||
      signals.isStopping ||
      number >= options.maxRestarts ||
      !options.isWorthRestarting(failure.status);
    others?.dismiss(isLast ? { failure: failure ?? null } : "restart");
    if (isLast) return failure;
    options.print(`${failure.text}; restart ${number + 1} of ${options.maxRestarts}`);
  }
}

/** Runs all processes once, those of this host and those of the others. */
async function runAttempt(
  options: LaunchOptions,
  address: string,
  number: number,
  others: OtherHosts | undefined,
  signals: StopSignals,
): Promise<Failure | undefined> {
  const { numHosts, numProcessesPerHost, masterAddress } = options;
  const secret = randomBytes(32).toString("hex");
  const numMembers = numHosts * numProcessesPerHost;
  let own: HostProcesses | undefined;
  // A stopped process would not end by itself within the grace period, so it is killed at once.
  const onUnresponsive = (process: number): void => own?.killUnresponsive(process);
  const hub = await Hub.listen({ address, port: 0, secret, numMembers, onUnresponsive });
  try {
    const attempt: Attempt = { number, masterAddress, masterPort: hub.port, secret };
    others?.start(attempt);
    own = new HostProcesses(options, attempt, () => others?.stop());
    void others?.firstFailure.then(() => {
      own?.stop();
      others.stop();
    });
    using _ = signals.passTo(own);
    const outcomes = await Promise.all([own.ended, others?.ended]);
    return rootOf(outcomes.flat().filter((outcome) => outcome !== undefined));
  } finally {
    hub.close();
  }
}
