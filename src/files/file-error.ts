import { DualPipeError } from "../errors/dualpipe-error.ts";
import { describeSystemError } from "../errors/system-error.ts";

export type FileErrorCode =
  /** There is no room: the disk is full, or a quota or a limit of the size of files is reached. */
  | "DISK_FULL"
  /** The file or folder does not exist, may not be used, or is of another kind. */
  | "FILE_UNUSABLE";

/** A file or folder that a path names cannot be used. */
export class FileError extends DualPipeError<FileErrorCode> {
  override readonly name = "FileError";
}

const FULL: readonly string[] = ["ENOSPC", "EDQUOT", "EFBIG"];

/**
 * Gives an error of a system call a path and words; leaves every other error as it is.
 * @param failed What could not be done, such as "runs/a/model.safetensors cannot be written".
 */
export function fileErrorOf(failed: string, error: unknown): unknown {
  if (!(error instanceof Error && "syscall" in error)) return error;
  const { code = "" } = error as NodeJS.ErrnoException;
  return new FileError(
    FULL.includes(code) ? "DISK_FULL" : "FILE_UNUSABLE",
    `${failed}: ${describeSystemError(error)}`,
    { cause: error },
  );
}
