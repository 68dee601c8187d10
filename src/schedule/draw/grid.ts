import type { Action } from "../program/action.ts";
import { makespanOf, type Timeline } from "../simulate/timeline.ts";

/** One cell of a rank-by-time picture: the action that runs in the middle of this unit of time. */
export interface GridCell {
  readonly action: Action;
  /** Whether the action began in this cell. */
  readonly isStart: boolean;
}

export interface GridOptions {
  /** Time per column. */
  readonly unit: number;
  readonly maxColumns?: number | undefined;
}

/** Cuts a timeline into columns of one unit of time; a column shows what runs at its middle. */
export function timelineGrid(
  timeline: Timeline,
  { unit, maxColumns = Infinity }: GridOptions,
): (GridCell | undefined)[][] {
  const numColumns = Math.min(maxColumns, Math.ceil(makespanOf(timeline) / unit - 1e-9));
  return timeline.ranks.map((track) => {
    const row: (GridCell | undefined)[] = [];
    let index = 0;
    for (let column = 0; column < numColumns; column++) {
      const middle = (column + 0.5) * unit;
      while (index < track.length && track.endsMs[index]! <= middle) index++;
      const isRunning = index < track.length && track.startsMs[index]! <= middle;
      const isStart = isRunning && track.startsMs[index]! > middle - unit;
      row.push(isRunning ? { action: track.at(index).action, isStart } : undefined);
    }
    return row;
  });
}
