/**
 * A member's wait for its run.
 *
 * The processes of a run start in any order, and so do their hosts, names and stores. What fails now may succeed in a
 * second, or never: a wrong port, a firewall, a misspelled name. The two look the same at first, so a member retries
 * until the rendezvous timeout.
 *
 * A timeout that says only "timed out" is useless to the person who started forty processes. While it waits, a member
 * keeps what stands in the way: the last error of a connection or, once connected, who has not joined. That, and not
 * the wait, is what the error reports.
 */
import { setTimeout as delay } from "node:timers/promises";
import { LaunchError, type RendezvousWait } from "../launch-error.ts";

/** A member's place in the run, and how long it waits for the others. */
export interface Membership {
  /** What the members are. */
  readonly noun: RendezvousWait["noun"];
  readonly member: number;
  readonly numMembers: number;
  /** How long to wait until all members have joined. */
  readonly rendezvousTimeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

const RETRY_DELAY_MS = 100;
const MAX_NAMED_MEMBERS = 8;
export const PLURAL = { process: "processes", host: "hosts" } as const;

export class Waiting {
  /** The members that have not joined; undefined as long as no hub has said. */
  missing: readonly number[] | undefined;
  obstacle = "the hub has not answered";
  readonly #membership: Membership;

  constructor(membership: Membership) {
    this.#membership = membership;
  }

  /**
   * Tries until there is a result.
   * @param attempt Undefined when another attempt may succeed; it then has noted what was in the way.
   * @throws LaunchError RENDEZVOUS_TIMEOUT that says what was in the way; the reason of the member's signal.
   */
  async until<T>(attempt: (signal: AbortSignal) => Promise<T | undefined>): Promise<T> {
    const { rendezvousTimeoutMs, signal: stop } = this.#membership;
    const timeout = AbortSignal.timeout(rendezvousTimeoutMs);
    const signal = stop ? AbortSignal.any([timeout, stop]) : timeout;
    for (;;) {
      try {
        const result = await attempt(signal);
        if (result !== undefined) return result;
        await delay(RETRY_DELAY_MS, undefined, { signal });
      } catch (error) {
        stop?.throwIfAborted();
        if (!timeout.aborted) throw error;
        throw this.#timeoutError();
      }
    }
  }

  #timeoutError(): LaunchError {
    const { noun, member, numMembers, rendezvousTimeoutMs } = this.#membership;
    const wait = { noun, member, numMembers, missing: this.missing, waitedMs: rendezvousTimeoutMs };
    return new LaunchError("RENDEZVOUS_TIMEOUT", describeWait(wait, this.obstacle), { wait });
  }
}

/** The sentence for a rendezvous that timed out. */
function describeWait(
  { noun, member, numMembers, missing, waitedMs }: RendezvousWait,
  obstacle: string,
): string {
  const reason = missing ? `${listMembers(noun, missing)} did not join` : obstacle;
  return `${noun} ${member} waited ${waitedMs / 1000} s for all ${numMembers} ${PLURAL[noun]} of the run; ${reason}; check that all were started and can reach the first one's host`;
}

function listMembers(noun: RendezvousWait["noun"], members: readonly number[]): string {
  if (members.length === 1) return `${noun} ${members[0]}`;
  const named = members.slice(0, MAX_NAMED_MEMBERS).join(", ");
  const numOthers = members.length - MAX_NAMED_MEMBERS;
  return `${PLURAL[noun]} ${named}${numOthers > 0 ? ` and ${numOthers} more` : ""}`;
}
