import { DualPipeError } from "../errors/dualpipe-error.ts";

export type NativeSetupCode =
  | "LIBTORCH_NOT_FOUND"
  | "CACHE_NOT_WRITABLE"
  | "BUILD_TOOL_MISSING"
  | "BUILD_FAILED"
  | "BUILD_LOCKED"
  | "ADDON_NOT_LOADED";

/** LibTorch or the native addon cannot be used; the message says what to do. */
export class NativeSetupError extends DualPipeError<NativeSetupCode> {
  override readonly name = "NativeSetupError";
}
