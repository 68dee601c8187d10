import { type Action, type Timeline, timelineGrid } from "../../src/schedule/index.ts";

/**
 * The colours of the figures of the DeepSeek-V3 report and of the reference implementation's DualPipeV, one
 * letter per unit of time: forward, backward (for inputs, or whole), backward for weights, bubble.
 */
export const FIGURE_HALF = [
  "FFFFFFFFBWFBWFBWFFBB...FBBFBBFBBFBBFBB.BBFBB.BBFBB.BBFBBBBBWBWBWBW",
  ".FFFFFFFFBWFBWFFBB..FBBFBBFBBFBBFBBFBBFBB.BBFBB.BBFBB.BBBBBBWBWBWW",
  "..FFFFFFFFBWFFBB.FBBFBBFBBFBBFBBFBBFBBFBBFBB.BBFBB.BB.BBBBBBBWBWWW",
  "...FFFFFFFFFBBFBBFBBFBBFBBFBBFBBFBBFBBFBBFBBFBB.BB.BB.BBBBBBBBWWWW",
];

/** DualPipe with 8 ranks and 20 micro-batches; DualPipeV with 4 and 10 is the upper half. */
export const FIGURE_ROWS = [...FIGURE_HALF, ...FIGURE_HALF.toReversed()];

/** The letter of what a rank does in the unit of time that began `age` units after the action. */
function colour(action: Action, age: number): string {
  if (action.kind === "OVERLAP_F_B") return age === 0 ? "F" : "B";
  return action.kind === "I" ? "B" : action.kind;
}

/** One letter per unit of time for each rank. */
export function colours(timeline: Timeline): string[] {
  return timelineGrid(timeline, { unit: 1 }).map((row) => {
    let age = 0;
    return row
      .map((cell) => {
        if (cell === undefined) return ".";
        age = cell.isStart ? 0 : age + 1;
        return colour(cell.action, age);
      })
      .join("");
  });
}
