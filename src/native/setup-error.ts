import { DualPipeError } from "../errors/dualpipe-error.ts";

export type NativeSetupCode =
  | "LIBTORCH_NOT_FOUND"
  | "ADDON_NOT_BUILT"
  | "BUILD_TOOL_MISSING"
  | "BUILD_FAILED"
  | "BUILD_LOCKED";

/** LibTorch or the native addon is not ready for use; the message names the command that mends it. */
export class NativeSetupError extends DualPipeError<NativeSetupCode> {
  override readonly name = "NativeSetupError";
}
