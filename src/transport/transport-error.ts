import { DualPipeError } from "../errors/dualpipe-error.ts";
import type { ChannelKind, ProcessGroup } from "./process-group.ts";

/**
 * ABORTED: another rank failed first, or the connection to it was lost. TIMEOUT: nothing arrived in time.
 * RETURNED: the program of the rank that was waited for has returned.
 * INVALID_PEER: there is no such rank. INVALID_CHANNEL: there is no such kind of message.
 * NO_GLOO: this LibTorch has no Gloo.
 */
export type TransportErrorCode =
  | "ABORTED"
  | "TIMEOUT"
  | "RETURNED"
  | "INVALID_PEER"
  | "INVALID_CHANNEL"
  | "NO_GLOO";

/** A send or a receive that ended without success. */
export interface FailedTransfer {
  readonly operation: "send" | "receive";
  /** The rank whose operation it was, and the rank at the other end; both of the same group. */
  readonly rank: number;
  readonly peer: number;
  readonly kind: ChannelKind;
  /** How long the rank waited; for a timeout, the limit. */
  readonly waitedMs: number;
  /** Why it was aborted. */
  readonly reason?: string;
}

interface TransportErrorOptions extends ErrorOptions {
  readonly group?: ProcessGroup | undefined;
  readonly action?: string | undefined;
}

/** A transfer that did not take place. Its facts are fields; this file alone puts them into words. */
export class TransportError extends DualPipeError<TransportErrorCode> {
  override readonly name = "TransportError";
  /** The group of the transfer; a stage may communicate through a group other than its pipeline's. */
  readonly group: ProcessGroup | undefined;
  /** The rank that was waited for, or sent to. */
  readonly peer: number | undefined;
  /** What was to be transferred. */
  readonly kind: ChannelKind | undefined;
  readonly waitedMs: number | undefined;
  /** The action of the schedule that needed it, such as `2F7`, or another part of a step. */
  readonly action: string | undefined;
  readonly #failure: string | FailedTransfer;

  constructor(
    code: TransportErrorCode,
    failure: string | FailedTransfer,
    { action, group, ...options }: TransportErrorOptions = {},
  ) {
    super(
      code,
      action === undefined ? describe(code, failure) : `in ${action}: ${describe(code, failure)}`,
      options,
    );
    this.group = group;
    this.action = action;
    this.#failure = failure;
    if (typeof failure === "string") return;
    this.peer = failure.peer;
    this.kind = failure.kind;
    this.waitedMs = failure.waitedMs;
  }

  /** The same error, with the action that needed the transfer. */
  during(action: string): TransportError {
    return new TransportError(this.code, this.#failure, { action, group: this.group, cause: this });
  }
}

function describe(code: TransportErrorCode, failure: string | FailedTransfer): string {
  if (typeof failure === "string") return failure;
  const { operation, rank, peer, kind, waitedMs, reason } = failure;
  const what = kind.replace("-", " ");
  const transfer =
    operation === "send" ? `sending ${what} to rank ${peer}` : `waiting for ${what} of rank ${peer}`;
  if (code === "RETURNED")
    return `rank ${rank} gave up ${transfer}: the program of rank ${peer} has returned, and everything that it sent has been received; make sure that all ranks take part in the same steps, and return only after the last one`;
  return reason === undefined
    ? `rank ${rank} gave up ${transfer}: nothing arrived within ${waitedMs} ms`
    : `rank ${rank} stopped while ${transfer}: ${reason}`;
}
