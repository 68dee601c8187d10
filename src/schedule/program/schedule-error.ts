export type ScheduleErrorCode =
  | "unknown-schedule"
  | "invalid-sizes"
  | "invalid-action"
  | "invalid-csv"
  | "invalid-cost"
  | "invalid-program"
  | "invalid-plan";

/** Where in a program an error lies. */
export interface ScheduleErrorPlace {
  readonly rank?: number;
  readonly stage?: number;
  readonly microBatch?: number;
}

/** An error of the user's input to the schedule layer: sizes, an action, a file, a cost or a program. */
export class ScheduleError extends Error {
  override readonly name = "ScheduleError";
  readonly code: ScheduleErrorCode;
  readonly place: ScheduleErrorPlace;

  constructor(code: ScheduleErrorCode, message: string, place: ScheduleErrorPlace = {}) {
    super(message);
    this.code = code;
    this.place = place;
  }
}
