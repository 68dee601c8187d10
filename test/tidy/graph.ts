import { posix } from "node:path";
import { isTest, type SourceFile } from "./repository.ts";

/**
 * What imports what. A node is a file, or a whole folder with everything below it. One node has one arrow to another,
 * however many names it imports from there.
 */
export type ImportGraph = ReadonlyMap<string, ReadonlySet<string>>;

export interface GraphOptions {
  /** Whether imports of types count, which leave nothing at run time. */
  readonly types: boolean;
}

/** All files below a folder, each a node of its own; the folder "" is the repository. */
export function graphOfFiles(
  files: readonly SourceFile[],
  folder: string,
  options: GraphOptions,
): ImportGraph {
  return graphOf(files, folder, (path) => path, options);
}

/** The entries of a folder: each subfolder is one node, and so is each file next to them. */
export function graphOfEntries(
  files: readonly SourceFile[],
  folder: string,
  options: GraphOptions,
): ImportGraph {
  const start = folder.length + 1;
  const entryOf = (path: string) => posix.join(folder, path.slice(start).split("/")[0]!);
  return graphOf(files, folder, entryOf, options);
}

function graphOf(
  files: readonly SourceFile[],
  folder: string,
  nodeOf: (path: string) => string,
  { types }: GraphOptions,
): ImportGraph {
  const ours = files.filter(({ path }) => (folder === "" || path.startsWith(`${folder}/`)) && !isTest(path));
  const paths = new Set(ours.map(({ path }) => path));
  const graph = new Map(ours.map(({ path }) => [nodeOf(path), new Set<string>()]));
  for (const { path, imports } of ours) {
    for (const { target, isType } of imports) {
      if (!paths.has(target) || (isType && !types) || nodeOf(target) === nodeOf(path)) continue;
      graph.get(nodeOf(path))!.add(nodeOf(target));
    }
  }
  return graph;
}

export function numArrows(graph: ImportGraph): number {
  return [...graph.values()].reduce((sum, targets) => sum + targets.size, 0);
}

/**
 * The floor on which each node stands: 1 for a node that imports nothing, otherwise one above the highest node that it
 * imports. The members of a cycle share a floor.
 */
export function floorsOf(graph: ImportGraph): Map<string, number> {
  const floors = new Map<string, number>();
  for (const component of components(graph)) {
    const below = component
      .flatMap((node) => [...graph.get(node)!])
      .filter((node) => !component.includes(node));
    const floor = 1 + Math.max(0, ...below.map((node) => floors.get(node)!));
    for (const node of component) floors.set(node, floor);
  }
  return floors;
}

/** The groups of nodes that can reach each other, each as the shortest cycle through its first node. */
export function cyclesOf(graph: ImportGraph): string[][] {
  return components(graph)
    .filter((component) => component.length > 1)
    .map((component) => shortestCycle(graph, component.toSorted()[0]!));
}

function shortestCycle(graph: ImportGraph, start: string): string[] {
  const trails = [[start]];
  const seen = new Set<string>();
  for (const trail of trails) {
    for (const next of graph.get(trail.at(-1)!)!) {
      if (next === start) return [...trail, start];
      if (seen.has(next)) continue;
      seen.add(next);
      trails.push([...trail, next]);
    }
  }
  return [];
}

/** Strongly connected components by Tarjan's algorithm, each after those that it imports. */
function components(graph: ImportGraph): string[][] {
  const found: string[][] = [];
  const indices = new Map<string, number>();
  const lowest = new Map<string, number>();
  const open: string[] = [];

  function visit(node: string): void {
    indices.set(node, indices.size);
    lowest.set(node, indices.get(node)!);
    open.push(node);
    for (const next of graph.get(node)!) {
      if (!indices.has(next)) visit(next);
      if (open.includes(next)) lowest.set(node, Math.min(lowest.get(node)!, lowest.get(next)!));
    }
    if (lowest.get(node) === indices.get(node)) found.push(open.splice(open.indexOf(node)));
  }

  for (const node of graph.keys()) if (!indices.has(node)) visit(node);
  return found;
}
