import { DualPipeError } from "../../errors/dualpipe-error.ts";

export type StepErrorCode =
  | "INVALID_INPUT"
  | "INVALID_STAGE_OUTPUT"
  | "LOSS_NOT_SCALAR"
  | "LOSS_WITHOUT_GRADIENT"
  | "SHAPE_MISMATCH"
  | "STAGE_FAILED"
  /** A computation needed more memory than the device has left; the message says what has the rest. */
  | "STEP_OUT_OF_MEMORY"
  | "BACKWARD_NOT_RUN"
  | "HOLDER_MISMATCH"
  | "UPDATES_NOT_SHARED";

/** Where in a step something went wrong. */
export interface StepLocation {
  readonly rank: number;
  readonly stage?: number;
  readonly microBatch?: number;
  /** The action in the notation of the schedule, such as `2F7`. */
  readonly action?: string;
}

/** A step that did not end: what was wrong, and where. */
export class StepError extends DualPipeError<StepErrorCode> {
  override readonly name = "StepError";
  readonly location: StepLocation;

  constructor(code: StepErrorCode, location: StepLocation, message: string, options?: ErrorOptions) {
    super(code, `${describe(location)}: ${message}`, options);
    this.location = location;
  }
}

function describe({ rank, stage, microBatch, action }: StepLocation): string {
  const parts = [`rank ${rank}`];
  if (stage !== undefined) parts.push(`stage ${stage}`);
  if (microBatch !== undefined) parts.push(`micro-batch ${microBatch}`);
  if (action !== undefined) parts.push(action);
  return parts.join(", ");
}
