import { DualPipeError } from "../errors/dualpipe-error.ts";

export type LaunchErrorCode =
  /** A launcher's variables are there in part. */
  | "INCOMPLETE_VARIABLES"
  /** Ranks do not go evenly into processes. */
  | "UNEVEN_RANKS"
  /** Options that do not fit. */
  | "USAGE"
  | "ADDRESS_TAKEN"
  | "ADDRESS_NOT_HERE"
  | "WRONG_SECRET"
  /** Others are to meet there, or not so many. */
  | "REFUSED"
  /** Not all came in time, or one gave no sign of life any more. */
  | "RENDEZVOUS_TIMEOUT"
  /** All came, but could not connect to one another. */
  | "RENDEZVOUS_FAILED";

/** Processes that cannot be started, do not know their place, or do not find one another. */
export class LaunchError extends DualPipeError<LaunchErrorCode> {
  override readonly name = "LaunchError";
}
