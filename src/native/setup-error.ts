export type NativeSetupCode =
  | "libtorch-not-found"
  | "addon-not-built"
  | "build-tool-missing"
  | "build-failed"
  | "build-locked";

/** LibTorch or the native addon is not ready for use; the message names the command that mends it. */
export class NativeSetupError extends Error {
  readonly code: NativeSetupCode;

  constructor(code: NativeSetupCode, message: string) {
    super(`dualpipe: ${message}`);
    this.name = "NativeSetupError";
    this.code = code;
  }
}
