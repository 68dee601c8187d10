import { posix } from "node:path";
import type { SourceFile, Violation } from "./repository.ts";

const EMPTY_NAMES = new Set(["util", "utils", "helper", "helpers", "common", "misc"]);
// Assembled from parts, so that this file does not contain what it forbids.
const FORBIDDEN_TEXTS: readonly (readonly [RegExp, string])[] = [
  [new RegExp(`(^|[\\s"'\`(=:])/${"work"}/`, "m"), "a path of one machine"],
  [new RegExp(`"resolved": "${"http"}`), "the host of a package registry"],
  [/https?:\/\/[^\s/"'`)]+\.(internal|corp|intra|lan|local)\b/, "a host of a private network"],
];

/** Files and folders whose name says nothing. */
export function findEmptyNames(texts: ReadonlyMap<string, string>): Violation[] {
  return [...texts.keys()].flatMap((file) => {
    const names = file.split(posix.sep).map((part) => part.replace(/\..*$/, "").toLowerCase());
    const empty = names.find((name) => EMPTY_NAMES.has(name));
    if (empty === undefined) return [];
    return [{ file, rule: `"${empty}" says nothing about the content`, remedy: "name the concept" }];
  });
}

/** Texts that say where the repository was written. */
export function findForbiddenTexts(texts: ReadonlyMap<string, string>): Violation[] {
  return [...texts].flatMap(([file, text]) =>
    FORBIDDEN_TEXTS.filter(([pattern]) => pattern.test(text)).map(([, what]) => ({
      file,
      rule: `it mentions ${what}`,
      remedy: "take it out; for package-lock.json: npm config set omit-lockfile-registry-resolved true",
    })),
  );
}

/** Notes to do something later. */
export function findNotes(files: readonly SourceFile[]): Violation[] {
  const note = /\b(TODO|FIXME|XXX|HACK)\b/;
  return files.flatMap(({ path, comments }) => {
    const found = comments.map((comment) => note.exec(comment)?.[1]).find((word) => word !== undefined);
    if (found === undefined) return [];
    return [{ file: path, rule: `a comment says ${found}`, remedy: "do it, or drop it" }];
  });
}
