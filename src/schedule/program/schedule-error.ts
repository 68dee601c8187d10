import { DualPipeError } from "../../errors/dualpipe-error.ts";

export type ScheduleErrorCode =
  | "UNKNOWN_SCHEDULE"
  | "INVALID_SIZES"
  | "INVALID_ACTION"
  | "INVALID_CSV"
  | "INVALID_COST"
  | "INVALID_TRACE"
  | "INVALID_PROGRAM"
  | "INVALID_PLAN";

/** The part of a program that an error is about; what it does not concern is absent. */
export interface ScheduleErrorLocation {
  readonly rank?: number;
  readonly stage?: number;
  readonly microBatch?: number;
}

/** Input to the schedule layer that cannot be used: sizes, an action, a file, a cost, a program or a plan. */
export class ScheduleError extends DualPipeError<ScheduleErrorCode> {
  override readonly name = "ScheduleError";
  readonly location: ScheduleErrorLocation;

  /** @param problem The message without the prefix "dualpipe: ". */
  constructor(code: ScheduleErrorCode, problem: string, location: ScheduleErrorLocation = {}) {
    super(code, problem);
    this.location = location;
  }
}
