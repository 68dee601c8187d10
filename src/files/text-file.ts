import { readFileSync, writeFileSync } from "node:fs";
import { fileErrorOf } from "./file-error.ts";

/** The text of a file that a user has named. @param what Names it in errors, as "the profile". @throws FileError */
export function readTextFile(what: string, path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw fileErrorOf(`${what} ${path} cannot be read`, error);
  }
}

/** Writes the text to a file that a user has named. @param what Names it in an error. @throws FileError */
export function writeTextFile(what: string, path: string, text: string): void {
  try {
    writeFileSync(path, text);
  } catch (error) {
    throw fileErrorOf(`${what} ${path} cannot be written`, error);
  }
}
