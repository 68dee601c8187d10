import { DualPipeError } from "../errors/dualpipe-error.ts";
import type { ProcessGroup } from "./process-group.ts";

/**
 * ABORTED: another rank failed first, or the connection to it was lost. TIMEOUT: nothing arrived in time.
 * INVALID_PEER: there is no such rank. NO_GLOO: this LibTorch has no Gloo.
 */
export type TransportErrorCode = "ABORTED" | "TIMEOUT" | "INVALID_PEER" | "NO_GLOO";

export interface TransportErrorOptions extends ErrorOptions {
  readonly group?: ProcessGroup | undefined;
}

/** A transfer that did not take place. */
export class TransportError extends DualPipeError<TransportErrorCode> {
  override readonly name = "TransportError";
  /** The group whose transfer it was; a stage may communicate through another than its pipeline's. */
  readonly group: ProcessGroup | undefined;

  constructor(code: TransportErrorCode, message: string, options: TransportErrorOptions = {}) {
    super(code, message, options);
    this.group = options.group;
  }
}
