import { counted } from "../../errors/counted.ts";
import type { JoinOptions } from "../hub/hub-member.ts";
import type { Membership } from "../hub/waiting.ts";
import { either, exactly, isCount, isText, type MessageOf, messageGuard, record } from "../message-shapes.ts";
import type { LaunchOptions } from "./launch-options.ts";

const isFailure = record({ status: isStatus, text: isText });
const isOutcome = either(isFailure, exactly(null));

/** The run has ended, successfully or with a failure; or all processes will be restarted. */
const isVerdict = either(record({ failure: isOutcome }), exactly("restart"));

/** Messages from the leader, the launcher of host 0, to the followers. */
const FROM_LEADER = {
  start: { attempt: record({ number: isCount, masterAddress: isWord, masterPort: isPort, secret: isWord }) },
  /** A process of another host has failed: give your own a while to end. */
  stop: {},
  /** All processes have ended. */
  dismiss: { verdict: isVerdict },
};

/** Messages from a follower, the launcher of another host, to the leader. */
const FROM_FOLLOWER = {
  /** One of its processes has failed, and the others have a while to end. */
  failing: {},
  /** All its processes have ended. */
  ended: { failure: isOutcome },
};

export type FromLeader = MessageOf<typeof FROM_LEADER>;
export type FromFollower = MessageOf<typeof FROM_FOLLOWER>;
export type Verdict = (FromLeader & { kind: "dismiss" })["verdict"];

export const isFromLeader = messageGuard(FROM_LEADER);
export const isFromFollower = messageGuard(FROM_FOLLOWER);

/** The place of a host's launcher among those of the other hosts. */
export function membershipOf(
  { hostIndex, numHosts, rendezvousTimeoutMs }: LaunchOptions,
  signal: AbortSignal,
): Membership {
  return { noun: "host", member: hostIndex, numMembers: numHosts, rendezvousTimeoutMs, signal };
}

/** How a host's launcher joins those of the other hosts. */
export function joinOptionsOf(
  options: LaunchOptions & { readonly address: string },
  signal: AbortSignal,
): Omit<JoinOptions, "isBody" | "onMessage" | "onDisconnect"> {
  const { address, masterPort: port, secret, heartbeatTimeoutMs } = options;
  return {
    ...membershipOf(options, signal),
    locate: async () => ({ address, port, secret }),
    run: runOfHosts(options),
    heartbeatTimeoutMs,
  };
}

/** The description of a run that the launchers of all its hosts have. */
export function runOfHosts({ numHosts, numProcessesPerHost }: LaunchOptions): string {
  return `a run of ${counted(numHosts, "host")} with ${counted(numProcessesPerHost, "process")} each`;
}

/** A text that can be a variable of the environment. */
function isWord(value: unknown): value is string {
  return isText(value) && /^[\x21-\x7e]+$/.test(value);
}

function isPort(value: unknown): value is number {
  return isCount(value) && value <= 65_535;
}

/** An exit status. */
function isStatus(value: unknown): value is number {
  return isCount(value) && value <= 255;
}
