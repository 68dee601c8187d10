/**
 * Prints how the folders of the source depend on each other: `npm run structure -- [FOLDER] [--root CHECKOUT]`.
 *
 * It counts files and imports for each folder, in two ways. File by file covers everything below the folder. Entry by
 * entry takes a subfolder as one entry, which is what a reader sees who opens the folder. A folder is easy to
 * understand if it has few entries with few arrows between them, and it can be read from the bottom up if it has no
 * cycles. A floor is one step of that way up. `--root` measures another checkout, such as one of an older commit.
 */
import { resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { cyclesOf, floorsOf, graphOfEntries, graphOfFiles, numArrows } from "./graph.ts";
import { isTest, parseSources, readTexts, type SourceFile } from "./repository.ts";

interface Shape {
  readonly nodes: number;
  readonly arrows: number;
  readonly floors: number;
  /** Cycles at run time. */
  readonly cycles: number;
  /** Cycles when imports of types count too. */
  readonly cyclesWithTypes: number;
}

export interface FolderShape {
  readonly folder: string;
  readonly files: Shape;
  readonly entries: Shape;
}

/** Measures a folder and every folder below it that has at least two entries. */
export function measureFolders(files: readonly SourceFile[], folder: string): FolderShape[] {
  const ours = files.filter(({ path }) => path.startsWith(`${folder}/`) && !isTest(path));
  const folders = new Set([folder]);
  for (const { path } of ours) {
    const parts = path.split("/");
    for (let length = folder.split("/").length + 1; length < parts.length; length++)
      folders.add(parts.slice(0, length).join("/"));
  }
  return [...folders]
    .toSorted()
    .map((each) => ({
      folder: each,
      files: shapeOf((types) => graphOfFiles(files, each, { types })),
      entries: shapeOf((types) => graphOfEntries(files, each, { types })),
    }))
    .filter(({ entries }) => entries.nodes > 1);
}

function shapeOf(graphWith: (types: boolean) => ReturnType<typeof graphOfFiles>): Shape {
  const graph = graphWith(true);
  return {
    nodes: graph.size,
    arrows: numArrows(graph),
    floors: Math.max(0, ...floorsOf(graph).values()),
    cycles: cyclesOf(graphWith(false)).length,
    cyclesWithTypes: cyclesOf(graph).length,
  };
}

/** Lists the entries of a folder from the top floor down, each with what it imports. */
export function drawFolder(files: readonly SourceFile[], folder: string): string[] {
  const graph = graphOfEntries(files, folder, { types: true });
  const floors = floorsOf(graph);
  const name = (path: string) => path.slice(folder.length + 1);
  return [...graph]
    .toSorted(([a], [b]) => floors.get(b)! - floors.get(a)! || a.localeCompare(b))
    .map(([entry, targets]) => {
      const below = [...targets].map(name).toSorted().join(", ");
      return `${String(floors.get(entry)).padStart(2)}  ${name(entry)}${below === "" ? "" : `: ${below}`}`;
    });
}

const HEADINGS = [
  "folder",
  ...["files", "arrows", "floors", "cycles", "with types"],
  ...["entries", "arrows", "floors", "cycles", "with types"],
];

function formatTable(shapes: readonly FolderShape[]): string {
  const cells = ({ nodes, arrows, floors, cycles, cyclesWithTypes }: Shape) =>
    [nodes, arrows, floors, cycles, cyclesWithTypes].map(String);
  const rows = [
    HEADINGS,
    ...shapes.map((each) => [each.folder, ...cells(each.files), ...cells(each.entries)]),
  ];
  const widths = HEADINGS.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map((row) =>
      row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join("  "),
    )
    .join("\n");
}

function main(): void {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { root: { type: "string" } },
  });
  const root = values.root ? resolve(values.root) : fileURLToPath(new URL("../..", import.meta.url));
  const folder = (positionals[0] ?? "src").replace(/\/$/, "");
  const files = parseSources(readTexts(root));
  const shapes = measureFolders(files, folder);
  if (shapes.length === 0) {
    console.error(`${folder} has fewer than two TypeScript files; name a folder such as src/schedule`);
    process.exitCode = 2;
    return;
  }
  console.log(formatTable(shapes));
  console.log(`\n${folder}, floor by floor, each entry with what it imports:`);
  console.log(drawFolder(files, folder).join("\n"));
  const cycles = cyclesOf(graphOfFiles(files, folder, { types: true }));
  if (cycles.length > 0) console.log(`\ncycles:\n${cycles.map((cycle) => cycle.join(" -> ")).join("\n")}`);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) main();
