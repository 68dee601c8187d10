import pc from "picocolors";
import { barsOf, makespanOf, type Timeline, type TimelineTrack } from "../../schedule/index.ts";

export interface GanttOptions {
  /** Time per column. */
  readonly unit: number;
  /** Largest number of characters in a line. */
  readonly maxWidth: number;
  readonly maxRanks: number;
}

const PAINT = {
  F: (text: string) => pc.bgYellow(pc.black(text)),
  B: (text: string) => pc.bgGreen(pc.black(text)),
  I: (text: string) => pc.bgCyan(pc.black(text)),
  W: (text: string) => pc.bgBlue(pc.white(text)),
};

function paintTrack(track: TimelineTrack, perUnit: number, unit: number, width: number): string {
  let line = "";
  let column = 0;
  const columnOf = (time: number) => Math.min(width, Math.round((time / unit) * perUnit));
  for (const { action, startMs, endMs } of track) {
    for (const bar of barsOf(action, startMs, endMs)) {
      const start = columnOf(bar.start);
      const end = columnOf(bar.end);
      if (start >= width) return line;
      line += pc.dim("·").repeat(start - column);
      line += PAINT[bar.kind](`${bar.kind}${bar.microBatch}`.slice(0, end - start).padEnd(end - start));
      column = end;
    }
  }
  return line + pc.dim("·").repeat(width - column);
}

/** A rank-by-time chart in characters. What does not fit is cut off, and the last line says so. */
export function gantt(timeline: Timeline, { unit, maxWidth, maxRanks }: GanttOptions): string {
  const longest = timeline.ranks[0]!.actions.numMicroBatches - 1;
  const perUnit = `F${longest} `.length;
  const prefix = `rank ${timeline.ranks.length - 1} `.length;
  const full = Math.ceil(makespanOf(timeline) / unit - 1e-9) * perUnit;
  const width = Math.max(perUnit, Math.min(full, maxWidth - prefix));
  const shown = timeline.ranks.slice(0, maxRanks);
  const lines = shown.map(
    (track, rank) => `${`rank ${rank}`.padEnd(prefix)}${paintTrack(track, perUnit, unit, width)}`,
  );
  const cut: string[] = [];
  if (width < full) cut.push(`${Math.ceil((full - width) / perUnit)} more units of time`);
  if (shown.length < timeline.ranks.length) cut.push(`${timeline.ranks.length - shown.length} more ranks`);
  if (cut.length > 0) lines.push(pc.dim(`(${cut.join(" and ")} did not fit; --json has all)`));
  return lines.join("\n");
}

/** The largest chart that the terminal, or the file, has room for. */
export function chartLimits(): { maxWidth: number; maxRanks: number } {
  return { maxWidth: process.stdout.isTTY ? process.stdout.columns : 2000, maxRanks: 64 };
}

/** How a step's time was counted, because `schedule` and `simulate` differ in it. */
export function countingInWords(isWhole: boolean): string {
  return pc.dim(
    isWhole
      ? "counted as in papers: values leave a computation at its end (the engine sends earlier: dualpipe simulate)"
      : "counted as the engine runs: values leave a pair or a B in its middle (as in papers: --whole)",
  );
}
