import { DualPipeError } from "../../errors/dualpipe-error.ts";

export type CheckpointErrorCode =
  /** A file is missing, cut short or changed. */
  | "CHECKPOINT_DAMAGED"
  | "CHECKPOINT_NOT_FOUND"
  /** It belongs to another model, other data or another optimizer. */
  | "CHECKPOINT_MISMATCH";

/** A checkpoint cannot be used. */
export class CheckpointError extends DualPipeError<CheckpointErrorCode> {
  override readonly name = "CheckpointError";
}
