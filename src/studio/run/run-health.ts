/** The health of a run's processes, from their newest heartbeats. */
import type { ProcessMessage, RunInfo } from "./run-message.ts";

export interface Heard {
  readonly message: ProcessMessage;
  /** On the page's clock, in ms. */
  readonly atMs: number;
}

/** A process tells every two seconds; one that has not for this long may hang. */
const SILENT_SECONDS = 10;

/** How long ago something was, in words. */
export function agoInWords(atMs: number, nowMs: number): string {
  const seconds = Math.max(0, Math.round((nowMs - atMs) / 1000));
  if (seconds < 120) return `${seconds} s ago`;
  return `${Math.round(seconds / 60)} min ago`;
}

/** Whether a process should have told something by now. */
export function isSilent(atMs: number, nowMs: number): boolean {
  return nowMs - atMs > 1000 * SILENT_SECONDS;
}

/** The process that runs a rank. */
export function processOfRank(processes: readonly Heard[], rank: number): Heard | undefined {
  return processes.find(
    ({ message: { firstRank, numRanks } }) => rank >= firstRank && rank < firstRank + numRanks,
  );
}

/** The number of all ranks of a run. */
export const numAllRanks = ({ numRanks, numReplicas }: RunInfo): number => numRanks * numReplicas;
