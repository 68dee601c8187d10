import { DualPipeError } from "../errors/dualpipe-error.ts";
import type { ChannelKind, ProcessGroup } from "./process-group.ts";

/**
 * ABORTED: another rank failed first, or the connection to it was lost. TIMEOUT: nothing arrived in time.
 * MISMATCHED_MESSAGE: a message arrived that is not the one that was expected.
 * RETURNED: the program of the rank that was waited for has returned.
 * INVALID_PEER: there is no such rank. INVALID_CHANNEL: there is no such kind of message.
 * NO_GLOO, NO_NCCL: it was asked for, and this LibTorch has none. CARDS_NOT_CONNECTED: NCCL could not connect them.
 */
export type TransportErrorCode =
  | "ABORTED"
  | "TIMEOUT"
  | "RETURNED"
  | "MISMATCHED_MESSAGE"
  | "INVALID_PEER"
  | "INVALID_CHANNEL"
  | "NO_GLOO"
  | "NO_NCCL"
  | "CARDS_NOT_CONNECTED";

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
  /** The labels of the message that was to come and of the one that came instead. */
  readonly expected?: string;
  readonly received?: string;
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
  /** For a mismatch: the labels of the message that was to come and of the one that came instead. */
  readonly expected: string | undefined;
  readonly received: string | undefined;
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
    this.expected = failure.expected;
    this.received = failure.received;
  }

  /** The same error, with the action that needed the transfer. */
  during(action: string): TransportError {
    return new TransportError(this.code, this.#failure, { action, group: this.group, cause: this });
  }
}

/** Runs a part of a step, which a TransportError then names. */
export function during(part: string, body: () => void): void {
  try {
    body();
  } catch (error) {
    throw error instanceof TransportError ? error.during(part) : error;
  }
}

function describe(code: TransportErrorCode, failure: string | FailedTransfer): string {
  if (typeof failure === "string") return failure;
  const { operation, rank, peer, kind, waitedMs, reason, expected, received } = failure;
  const what = kind.replace("-", " ");
  const transfer =
    operation === "send" ? `sending ${what} to rank ${peer}` : `waiting for ${what} of rank ${peer}`;
  if (code === "RETURNED")
    return `rank ${rank} gave up ${transfer}: the program of rank ${peer} has returned, and everything that it sent has been received; make sure that all ranks take part in the same steps, and return only after the last one`;
  if (received !== undefined)
    return (
      `rank ${rank} expected ${named(expected)} from rank ${peer}, which sent ${named(received)}; all ranks must take ` +
      "the same steps, with the same schedule and number of micro-batches, each on all of them inside noGrad or on none"
    );
  return reason === undefined
    ? `rank ${rank} gave up ${transfer}: nothing arrived within ${waitedMs} ms`
    : `rank ${rank} stopped while ${transfer}: ${reason}`;
}

function named(label: string | undefined): string {
  return label || "a message without a label";
}
