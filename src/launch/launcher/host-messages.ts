import type { JoinOptions } from "../hub/hub-member.ts";
import type { Attempt, Failure } from "./host-processes.ts";
import type { LaunchOptions } from "./launch.ts";

/** From the launcher of host 0, which leads. */
export type FromLeader =
  | { readonly kind: "start"; readonly attempt: Attempt }
  /** Another host's processes have failed: give your own a while. */
  | { readonly kind: "stop" }
  /** All processes have ended. */
  | { readonly kind: "dismiss"; readonly verdict: Verdict };

/** The run has ended, with this failure or well; or all processes are to be started again. */
export type Verdict = { readonly failure: Failure | null } | "again";

/** From the launcher of another host. */
export type FromFollower =
  /** One of its processes has failed; the others have a while to end. */
  | { readonly kind: "failing" }
  /** All have ended. */
  | { readonly kind: "ended"; readonly failure: Failure | null };

/** How the launcher of a host joins the others'. */
export function joinOptionsOf(
  options: LaunchOptions & { readonly address: string },
  signal: AbortSignal,
): Omit<JoinOptions, "onMessage" | "onLost"> {
  const { address, masterPort: port, secret, hostIndex, numHosts, numProcessesPerHost } = options;
  return {
    locate: async () => ({ address, port, secret }),
    noun: "host",
    member: hostIndex,
    numMembers: numHosts,
    run: `a run of ${numHosts} hosts with ${numProcessesPerHost} processes each`,
    rendezvousTimeoutMs: options.rendezvousTimeoutMs,
    heartbeatTimeoutMs: options.heartbeatTimeoutMs,
    signal,
  };
}
