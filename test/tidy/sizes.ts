import { posix } from "node:path";
import { isTest, type Node, type SourceFile, type Violation, walk } from "./repository.ts";

/** The limits that CONTRIBUTING.md states; test/docs/reference.test.ts compares the two. */
export const LIMITS = {
  typescriptLines: 300,
  cppLines: 500,
  functionLines: 70,
  folderFiles: 15,
  commentColumns: 120,
} as const;

const numLines = (text: string) => text.trimEnd().split("\n").length;
const isCpp = (path: string) => /^native\/.*\.(cpp|h|cu)$/.test(path);
const isCode = (path: string) => /\.(m?tsx?|mjs|cpp|h|cu|py|sh)$/.test(path);

/** Files over the limits on length. */
export function findLongFiles(texts: ReadonlyMap<string, string>): Violation[] {
  return [...texts].flatMap(([file, text]) => {
    if (!isCpp(file) && !/\.tsx?$/.test(file)) return [];
    const limit = isCpp(file) ? LIMITS.cppLines : LIMITS.typescriptLines;
    if (numLines(text) <= limit) return [];
    const rule = `a file has at most ${limit} lines, this one has ${numLines(text)}`;
    return [{ file, rule, remedy: "split it by subject" }];
  });
}

/** Functions in TypeScript over the limit on length; the body of a `describe` is a list of tests. */
export function findLongFunctions(files: readonly SourceFile[]): Violation[] {
  return files.flatMap((file) => {
    const found: Violation[] = [];
    const suites = new Set<unknown>();
    walk(file.program, (node) => {
      if (isSuite(node)) for (const argument of node.arguments as unknown[]) suites.add(argument);
      if (!isFunction(node) || suites.has(node)) return;
      const text = file.text.slice(node.start, node.end);
      if (numLines(text) <= LIMITS.functionLines) return;
      const at = numLines(file.text.slice(0, node.start + 1));
      found.push({
        file: `${file.path}:${at}`,
        rule: `a function has at most ${LIMITS.functionLines} lines, this one has ${numLines(text)}`,
        remedy: "name its parts as functions of their own",
      });
    });
    return found;
  });
}

function isSuite({ type, callee }: Node): boolean {
  return type === "CallExpression" && (callee as { name?: string }).name === "describe";
}

function isFunction({ type }: Node): boolean {
  return ["FunctionDeclaration", "FunctionExpression", "ArrowFunctionExpression"].includes(type);
}

/** Folders of src/ over the limit; the tests next to the source do not count. */
export function findLargeFolders(paths: Iterable<string>): Violation[] {
  const counts = new Map<string, number>();
  for (const path of paths) {
    if (!path.startsWith("src/") || isTest(path)) continue;
    const folder = posix.dirname(path);
    counts.set(folder, (counts.get(folder) ?? 0) + 1);
  }
  return [...counts].flatMap(([folder, count]) => {
    if (count <= LIMITS.folderFiles) return [];
    const rule = `a folder has at most ${LIMITS.folderFiles} files, this one has ${count}`;
    return [{ file: folder, rule, remedy: "group what belongs together in a subfolder" }];
  });
}

/** Lines of comments and of prose over the limit on width. */
export function findWideLines(texts: ReadonlyMap<string, string>): Violation[] {
  return [...texts].flatMap(([file, text]) => {
    const isProse = file.endsWith(".md") ? proseLine : isCode(file) ? commentLine : undefined;
    if (isProse === undefined) return [];
    let inBlock = false;
    return text.split("\n").flatMap((line, index) => {
      if (line.startsWith("```")) inBlock = !inBlock;
      if (inBlock || line.length <= LIMITS.commentColumns || !isProse(line)) return [];
      const rule = `a line of prose has at most ${LIMITS.commentColumns} columns, this one has ${line.length}`;
      return [{ file: `${file}:${index + 1}`, rule, remedy: "wrap it" }];
    });
  });
}

// Tables, pictures and long links cannot be wrapped.
const proseLine = (line: string) => !/^(\||!\[|\[[^\]]*\]:|<!--)/.test(line);
const commentLine = (line: string) => /^\s*(\/\/|\/\*|\*|#)/.test(line) && !/https?:\/\/\S{40}/.test(line);
