export type CheckpointErrorCode =
  /** A file is missing, cut short or changed. */
  | "CHECKPOINT_DAMAGED"
  | "CHECKPOINT_NOT_FOUND"
  /** It is of another model, other data or another optimizer. */
  | "CHECKPOINT_MISMATCH"
  /** A new run would mix its checkpoints with those of an earlier one. */
  | "CHECKPOINT_EXISTS";

/** A checkpoint cannot be used as was asked. */
export class CheckpointError extends Error {
  override readonly name = "CheckpointError";
  readonly code: CheckpointErrorCode;

  constructor(code: CheckpointErrorCode, message: string, options?: ErrorOptions) {
    super(`dualpipe: ${message}`, options);
    this.code = code;
  }
}
