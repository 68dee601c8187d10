/** ABORTED: another rank failed first. TIMEOUT: nothing arrived in time. INVALID_PEER: there is no such rank. */
export type TransportErrorCode = "ABORTED" | "TIMEOUT" | "INVALID_PEER";

/** A transfer that did not take place. */
export class TransportError extends Error {
  override readonly name = "TransportError";
  readonly code: TransportErrorCode;

  constructor(code: TransportErrorCode, message: string, options?: ErrorOptions) {
    super(`dualpipe: ${message}`, options);
    this.code = code;
  }
}
