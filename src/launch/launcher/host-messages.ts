import { counted } from "../../errors/counted.ts";
import type { JoinOptions } from "../hub/hub-member.ts";
import type { Attempt, Failure, LaunchOptions } from "./launch-options.ts";

/** Messages from the leader, the launcher of host 0, to the followers. */
export type FromLeader =
  | { readonly kind: "start"; readonly attempt: Attempt }
  /** A process of another host has failed: give your own a while to end. */
  | { readonly kind: "stop" }
  /** All processes have ended. */
  | { readonly kind: "dismiss"; readonly verdict: Verdict };

/** The run has ended, successfully or with a failure; or all processes will be restarted. */
export type Verdict = { readonly failure: Failure | null } | "restart";

/** Messages from a follower, the launcher of another host, to the leader. */
export type FromFollower =
  /** One of its processes has failed, and the others have a while to end. */
  | { readonly kind: "failing" }
  /** All its processes have ended. */
  | { readonly kind: "ended"; readonly failure: Failure | null };

/** How a host's launcher joins those of the other hosts. */
export function joinOptionsOf(
  options: LaunchOptions & { readonly address: string },
  signal: AbortSignal,
): Omit<JoinOptions, "onMessage" | "onDisconnect"> {
  const { address, masterPort: port, secret, hostIndex, numHosts, numProcessesPerHost } = options;
  return {
    locate: async () => ({ address, port, secret }),
    noun: "host",
    member: hostIndex,
    numMembers: numHosts,
    run: `a run of ${counted(numHosts, "host")} with ${counted(numProcessesPerHost, "process")} each`,
    rendezvousTimeoutMs: options.rendezvousTimeoutMs,
    heartbeatTimeoutMs: options.heartbeatTimeoutMs,
    signal,
  };
}
