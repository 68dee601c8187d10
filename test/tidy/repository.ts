import { readdirSync, readFileSync } from "node:fs";
import { join, posix, relative } from "node:path";
import { parseSync } from "vite";

/** The names that one file imports from another. */
export interface Import {
  /** The file's path in the repository, `node:fs`, or a package's name. */
  readonly target: string;
  /** Names as exported there; `*` for all of them. */
  readonly names: readonly string[];
  /** Whether it imports only types, so that nothing is left of it at run time. */
  readonly isType: boolean;
}

export interface Export {
  readonly name: string;
  readonly isType: boolean;
}

export interface SourceFile {
  readonly path: string;
  readonly text: string;
  readonly imports: readonly Import[];
  readonly exports: readonly Export[];
  readonly comments: readonly string[];
  readonly program: unknown;
}

/** A node of a syntax tree. */
export interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [key: string]: unknown;
}

/** Something that breaks a rule of the repository. */
export interface Violation {
  readonly file: string;
  readonly rule: string;
  readonly remedy: string;
}

const NOT_OURS = new Set(["node_modules", "dist", "build", "runs", ".git", ".cache", ".gpu"]);

/** The texts of all files under a folder by their path in it, except those that tools create. */
export function readTexts(root: string, folder = root): Map<string, string> {
  const texts = new Map<string, string>();
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (NOT_OURS.has(entry.name)) continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      for (const [name, text] of readTexts(root, path)) texts.set(name, text);
    } else if (entry.isFile()) {
      texts.set(relative(root, path), readFileSync(path, "utf8"));
    }
  }
  return texts;
}

/** Parses those texts that are TypeScript. */
export function parseSources(texts: ReadonlyMap<string, string>): SourceFile[] {
  return [...texts].filter(([path]) => /\.tsx?$/.test(path)).map(([path, text]) => parseSource(path, text));
}

export const isTest = (path: string): boolean => path.endsWith(".test.ts");

function parseSource(path: string, text: string): SourceFile {
  const parsed = parseSync(path, text);
  if (parsed.errors.length > 0) throw new Error(`${path}: ${parsed.errors[0]?.message}`);
  const { staticImports, staticExports, dynamicImports } = parsed.module;
  const resolve = (request: string) =>
    request.startsWith(".") ? posix.join(posix.dirname(path), request) : request;
  const exported = staticExports.flatMap(({ entries }) => entries);
  const imports: Import[] = [
    ...staticImports.map(({ moduleRequest, entries }) => ({
      target: resolve(moduleRequest.value),
      names: entries.map(({ importName }) =>
        importName.kind === "Default" ? "default" : (importName.name ?? "*"),
      ),
      isType: entries.length > 0 && entries.every(({ isType }) => isType),
    })),
    ...exported.flatMap(({ moduleRequest, importName, isType }) =>
      moduleRequest
        ? [{ target: resolve(moduleRequest.value), names: [importName.name ?? "*"], isType }]
        : [],
    ),
    ...dynamicImports.flatMap(({ moduleRequest }) => {
      const literal = /^["'](.+)["']$/.exec(text.slice(moduleRequest.start, moduleRequest.end))?.[1];
      return literal === undefined ? [] : [{ target: resolve(literal), names: ["*"], isType: false }];
    }),
  ];
  const exports = exported.flatMap(({ exportName, isType }) => {
    const name = exportName.kind === "Default" ? "default" : exportName.name;
    return name ? [{ name, isType }] : [];
  });
  return {
    path,
    text,
    imports,
    exports,
    comments: parsed.comments.map(({ value }) => value),
    program: parsed.program,
  };
}

/** Visits every node of a syntax tree, parents first. */
export function walk(value: unknown, visit: (node: Node) => void): void {
  if (Array.isArray(value)) {
    for (const item of value) walk(item, visit);
  } else if (typeof value === "object" && value !== null) {
    if ("type" in value && typeof value.type === "string") visit(value as Node);
    for (const child of Object.values(value)) walk(child, visit);
  }
}
