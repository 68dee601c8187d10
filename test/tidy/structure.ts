/**
 * Prints how the source is built: `npm run structure [-- FOLDER] [--root CHECKOUT]`.
 *
 * For each folder it counts the files and how they import each other, twice: file by file over everything below the
 * folder, and entry by entry, where a subfolder is one entry. The second is what a reader meets who opens the folder.
 * A folder is easy to find one's way in if it has few entries and few arrows between them; it can be read from the
 * bottom up if it has no cycles. With `--root` it measures another checkout, say that of an older commit.
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

/** A folder and every folder below it that holds two entries or more. */
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

/** The entries of a folder from the top floor down, each with what it imports. */
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
    console.error(`${folder} has no two files in TypeScript; name a folder such as src/schedule`);
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
