import { DualPipeError } from "../errors/dualpipe-error.ts";

export type FileErrorCode =
  /** There is no room: the disk is full, or a quota or a limit of the size of files is reached. */
  | "DISK_FULL"
  /** The file or folder does not exist, may not be used, or is of another kind. */
  | "FILE_UNUSABLE";

/** A file or folder that a path names cannot be used. */
export class FileError extends DualPipeError<FileErrorCode> {
  override readonly name = "FileError";
}

/** The errors of the operating system in words. */
const WORDS: ReadonlyMap<string, string> = new Map([
  ["ENOENT", "it does not exist"],
  ["ENOTDIR", "a part of the path is a file, not a folder"],
  ["EISDIR", "it is a folder, not a file"],
  ["EEXIST", "it already exists"],
  ["ENOTEMPTY", "the folder is not empty"],
  ["EACCES", "permission denied"],
  ["EPERM", "permission denied"],
  ["EROFS", "the file system is read-only"],
  ["ENOSPC", "the disk is full"],
  ["EDQUOT", "the quota of the disk is used up"],
  ["EFBIG", "the file is larger than its limit (ulimit -f)"],
  ["ENAMETOOLONG", "the name is too long"],
  ["ELOOP", "its symbolic links lead back to themselves"],
  ["EMFILE", "this process has too many open files (ulimit -n)"],
  ["EIO", "the disk reports an error"],
]);

const FULL: readonly string[] = ["ENOSPC", "EDQUOT", "EFBIG"];

/** The words for an error of a system call, with its code, such as "the disk is full (ENOSPC)". */
export function describeSystemError(error: NodeJS.ErrnoException): string {
  const words = error.code === undefined ? undefined : WORDS.get(error.code);
  return words === undefined ? error.message : `${words} (${error.code})`;
}

/**
 * Gives an error of a system call a path and words; leaves every other error as it is.
 * @param failed What could not be done, such as "runs/a/model.safetensors cannot be written".
 */
export function fileErrorOf(failed: string, error: unknown): unknown {
  if (!(error instanceof Error && "syscall" in error)) return error;
  const { code = "" } = error as NodeJS.ErrnoException;
  return new FileError(
    FULL.includes(code) ? "DISK_FULL" : "FILE_UNUSABLE",
    `${failed}: ${describeSystemError(error as NodeJS.ErrnoException)}`,
    { cause: error },
  );
}
