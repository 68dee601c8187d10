export type DataErrorCode =
  | "DATA_FETCH_FAILED"
  | "DATA_UNREADABLE"
  | "DATA_TOO_SMALL"
  | "DATA_BAD_VOCABULARY";

/** Why no training data can be had from what the configuration names. */
export class DataError extends Error {
  override readonly name = "DataError";
  readonly code: DataErrorCode;

  constructor(code: DataErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
