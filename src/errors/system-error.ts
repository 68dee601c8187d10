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

/** The words for an error of a system call, with its code, such as "the disk is full (ENOSPC)". */
export function describeSystemError(error: Error & { readonly code?: unknown }): string {
  const words = typeof error.code === "string" ? WORDS.get(error.code) : undefined;
  return words === undefined ? error.message : `${words} (${error.code})`;
}
