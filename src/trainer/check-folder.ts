import { DualPipeError } from "../errors/dualpipe-error.ts";
import { FileError } from "../files/file-error.ts";
import { checkWritable } from "../files/folder.ts";

/** A folder that the configuration names cannot be created or written to. */
export class FolderError extends DualPipeError<"FOLDER_UNUSABLE"> {
  override readonly name = "FolderError";
}

export type RunFolderErrorCode =
  /** Another run has the folder. */
  | "OUTPUT_IN_USE"
  /** The folder already has files, of a run or others. */
  | "OUTPUT_EXISTS"
  /** A run without checkpoints is done, so there is nothing to resume. */
  | "NOTHING_TO_RESUME";

/** A run cannot have the folder that it is given. */
export class RunFolderError extends DualPipeError<RunFolderErrorCode> {
  override readonly name = "RunFolderError";
}

/** Checks that files can be written to a folder. @param key What names it, for the message. @throws FolderError */
export async function checkFolder(key: string, path: string): Promise<void> {
  try {
    await checkWritable(path);
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    throw new FolderError(
      "FOLDER_UNUSABLE",
      `${key} must be a folder that can be written to; got ${JSON.stringify(path)}: ${error.problem}`,
      { cause: error },
    );
  }
}
