import type { SourceFile, Violation } from "./repository.ts";

interface Manifest {
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
  readonly bin: Readonly<Record<string, string>>;
}

/** The source of each file that package.json offers, by the path it gives. */
export function publicSources(manifest: Manifest): Map<string, string> {
  const built = Object.values(manifest.exports).flatMap((entry) =>
    typeof entry === "string" ? [entry] : Object.values(entry),
  );
  // The manifest offers itself too, which nothing builds.
  const offered = [...built, ...Object.values(manifest.bin)].filter((path) => path !== "./package.json");
  return new Map(offered.map((path) => [path, sourceOf(path)]));
}

function sourceOf(builtPath: string): string {
  return builtPath.replace(/^\.?\/?dist\//, "src/").replace(/(\.d\.ts|\.js)$/, ".ts");
}

/** Entries of package.json for files that the build does not create. */
export function findBrokenEntries(manifest: Manifest, files: readonly SourceFile[]): Violation[] {
  const paths = new Set(files.map(({ path }) => path));
  return [...publicSources(manifest)]
    .filter(([built, source]) => !/^(\.\/)?dist\//.test(built) || !paths.has(source))
    .map(([built, source]) => ({
      file: "package.json",
      rule: `it offers ${built}, which the build does not create`,
      remedy: `write ${source}, or take the entry out`,
    }));
}

/** Exports that nothing imports and that are not public. */
export function findUnusedExports(
  files: readonly SourceFile[],
  publicPaths: ReadonlySet<string>,
): Violation[] {
  const used = collectUses(files);
  return files
    .filter(({ path }) => path.startsWith("src/") && !publicPaths.has(path))
    .flatMap((file) =>
      file.exports
        .filter(({ name }) => !used.has(`${file.path} ${name}`) && !used.has(`${file.path} *`))
        .filter(({ name }) => !(name === "default" && isRankProgram(file.path)))
        .filter(({ name, isType }) => !(isType && isMentionedTwice(file.text, name)))
        .map(({ name }) => ({
          file: file.path,
          rule: `nothing imports its export ${name}`,
          remedy: "remove it, or take `export` away if its own file uses it",
        })),
    );
}

function collectUses(files: readonly SourceFile[]): Set<string> {
  const uses = files.flatMap(({ imports }) =>
    imports.flatMap(({ target, names }) => names.map((name) => `${target} ${name}`)),
  );
  return new Set(uses);
}

/** The threads of a launch load the default export of these by their URL. */
function isRankProgram(path: string): boolean {
  return path.endsWith("-program.ts");
}

/** A type in the signature of another export of its file is used by the callers of that export. */
function isMentionedTwice(text: string, name: string): boolean {
  return (text.match(new RegExp(`\\b${name}\\b`, "g")) ?? []).length > 1;
}
