import { OptionError } from "./option-error.ts";

/**
 * The longest duration that can be given, in milliseconds: 23 days. A timer of Node fires at once when its time is over
 * 24.8 days, and some timers wait for two durations, the second of which is short.
 */
export const MAX_DURATION_MS = 2_000_000_000;

/** The same limit in seconds. */
export const MAX_DURATION_SECONDS = MAX_DURATION_MS / 1000;

/** @throws OptionError unless all durations that are given are over 0 and at most 23 days */
export function checkDurations(owner: string, durations: Readonly<Record<string, number | undefined>>): void {
  for (const [name, ms] of Object.entries(durations)) {
    if (ms === undefined || (ms > 0 && ms <= MAX_DURATION_MS)) continue;
    throw new OptionError(
      `${name} of ${owner} must be a number of milliseconds over 0, at most ${MAX_DURATION_MS} (23 days); got ${ms}; to wait as long as possible, use ${MAX_DURATION_MS}`,
    );
  }
}
