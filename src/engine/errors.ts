import { DualPipeError } from "../errors/dualpipe-error.ts";

export type StepErrorCode =
  | "INVALID_INPUT"
  | "INVALID_STAGE_OUTPUT"
  | "LOSS_NOT_SCALAR"
  | "SHAPE_MISMATCH"
  | "STAGE_FAILED"
  | "BACKWARD_NOT_RUN"
  | "MIRROR_MISMATCH";

/** Where in a step something went wrong. */
export interface StepPlace {
  readonly rank: number;
  readonly stage?: number;
  readonly microBatch?: number;
  /** The action in the notation of the schedule, such as `2F7`. */
  readonly action?: string;
}

/** A step that did not end: what was wrong, and where. */
export class StepError extends DualPipeError<StepErrorCode> {
  override readonly name = "StepError";
  readonly place: StepPlace;

  constructor(code: StepErrorCode, place: StepPlace, message: string, options?: ErrorOptions) {
    super(code, `${describePlace(place)}: ${message}`, options);
    this.place = place;
  }
}

function describePlace({ rank, stage, microBatch, action }: StepPlace): string {
  const parts = [`rank ${rank}`];
  if (stage !== undefined) parts.push(`stage ${stage}`);
  if (microBatch !== undefined) parts.push(`micro-batch ${microBatch}`);
  if (action !== undefined) parts.push(action);
  return parts.join(", ");
}
