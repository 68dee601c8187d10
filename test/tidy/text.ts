import { posix } from "node:path";
import { isTest, type SourceFile, type Violation } from "./repository.ts";

const TYPESCRIPT_LINES_MAX = 350;
const CPP_LINES_MAX = 500;
const EMPTY_NAMES = new Set(["util", "utils", "helper", "helpers", "common", "misc"]);
const TEST_FUNCTIONS = new Set(["test", "it", "describe", "suite", "bench"]);
// Written apart, so that this file does not hold what it forbids.
const FORBIDDEN_TEXTS: readonly (readonly [RegExp, string])[] = [
  [new RegExp(`(^|[\\s"'\`(=:])/${"work"}/`, "m"), "a path of one machine"],
  [new RegExp(`"resolved": "${"http"}`), "the host of a package registry"],
  [/https?:\/\/[^\s/"'`)]+\.(internal|corp|intra|lan|local)\b/, "a host of a private network"],
];

/** Files over the limits on length. */
export function findLongFiles(texts: ReadonlyMap<string, string>): Violation[] {
  return [...texts].flatMap(([file, text]) => {
    const isCpp = /^native\/.*\.(cpp|h|cu)$/.test(file);
    if (!isCpp && !/^src\/.*\.ts$/.test(file)) return [];
    const numLinesMax = isCpp ? CPP_LINES_MAX : TYPESCRIPT_LINES_MAX;
    const numLines = text.trimEnd().split("\n").length;
    if (numLines <= numLinesMax) return [];
    const remedy = "split it by subject";
    return [{ file, rule: `a file has at most ${numLinesMax} lines, this one ${numLines}`, remedy }];
  });
}

/** Files and folders whose name says nothing. */
export function findEmptyNames(texts: ReadonlyMap<string, string>): Violation[] {
  return [...texts.keys()].flatMap((file) => {
    const names = file.split(posix.sep).map((part) => part.replace(/\..*$/, "").toLowerCase());
    const empty = names.find((name) => EMPTY_NAMES.has(name));
    if (empty === undefined) return [];
    return [{ file, rule: `"${empty}" says nothing about the content`, remedy: "name the concept" }];
  });
}

/** Texts that must not leave the place where they were written. */
export function findForbiddenTexts(texts: ReadonlyMap<string, string>): Violation[] {
  return [...texts].flatMap(([file, text]) =>
    FORBIDDEN_TEXTS.filter(([pattern]) => pattern.test(text)).map(([, what]) => ({
      file,
      rule: `it mentions ${what}`,
      remedy: "take it out; for package-lock.json: npm config set omit-lockfile-registry-resolved true",
    })),
  );
}

/** Unfinished work: notes to do something later. */
export function findNotes(files: readonly SourceFile[]): Violation[] {
  const note = /\b(TODO|FIXME|XXX|HACK)\b/;
  return files.flatMap(({ path, comments }) => {
    const found = comments.map((comment) => note.exec(comment)?.[1]).find((word) => word !== undefined);
    if (found === undefined) return [];
    return [{ file: path, rule: `a comment says ${found}`, remedy: "do it, or drop it" }];
  });
}

/** `any`, and tests that are switched off or that switch off the others. */
export function findForbiddenSyntax(files: readonly SourceFile[]): Violation[] {
  return files.flatMap((file) => {
    const found = new Map<string, string>();
    walk(file.program, (node) => {
      if (node.type === "TSAnyKeyword") found.set("the type `any`", "name the type, or use `unknown`");
      const switched = isTest(file.path) ? switchedTest(node) : undefined;
      if (switched !== undefined)
        found.set(`a test with .${switched}`, "let all tests run, or remove this one");
    });
    return [...found].map(([rule, remedy]) => ({ file: file.path, rule, remedy }));
  });
}

interface Node {
  readonly type: string;
  readonly [key: string]: unknown;
}

function switchedTest(node: Node): string | undefined {
  if (node.type !== "MemberExpression") return undefined;
  const property = (node.property as Node | undefined)?.name;
  const object = (node.object as Node | undefined)?.name;
  const isSwitch = property === "only" || property === "skip";
  return isSwitch && TEST_FUNCTIONS.has(String(object)) ? property : undefined;
}

function walk(value: unknown, visit: (node: Node) => void): void {
  if (Array.isArray(value)) {
    for (const item of value) walk(item, visit);
  } else if (typeof value === "object" && value !== null) {
    if ("type" in value && typeof value.type === "string") visit(value as Node);
    for (const child of Object.values(value)) walk(child, visit);
  }
}
