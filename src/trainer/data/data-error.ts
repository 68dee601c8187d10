import { DualPipeError } from "../../errors/dualpipe-error.ts";

export type DataErrorCode =
  /** A data set could not be downloaded. */
  "DATA_FETCH_FAILED" | "DATA_UNREADABLE" | "DATA_TOO_SMALL" | "DATA_BAD_VOCABULARY";

/** The data that the configuration names cannot be used. */
export class DataError extends DualPipeError<DataErrorCode> {
  override readonly name = "DataError";
}
