import { cyclesOf, type GraphOptions, graphOfFiles } from "./graph.ts";
import { isTest, type SourceFile, type Violation } from "./repository.ts";

/** What the files of a layer may import in addition to their own layer. */
interface Layer {
  readonly name: string;
  /** Folders or files of the repository. */
  readonly paths: readonly string[];
  readonly below: readonly string[];
  /** Whether built-ins of Node and npm packages may be imported; a layer for browsers may only import some packages. */
  readonly packages: "all" | "node" | "none" | readonly string[];
}

const EVERYTHING_BELOW_TRAINER = [
  "data",
  "engine",
  "launch",
  "transport",
  "nn",
  "autograd",
  "tensor",
  "native",
  "files",
  "schedule",
  "errors",
];

/** The layers from the bottom up; an import that is not listed here is not allowed. */
export const LAYERS: readonly Layer[] = [
  { name: "errors", paths: ["src/errors/"], below: [], packages: "none" },
  { name: "schedule", paths: ["src/schedule/"], below: ["errors"], packages: "none" },
  {
    name: "studio",
    paths: ["src/studio/"],
    below: ["schedule"],
    packages: ["preact", "preact/hooks", "@preact/signals", "uplot", "uplot/dist/uPlot.min.css"],
  },
  { name: "files", paths: ["src/files/"], below: ["errors"], packages: "node" },
  { name: "native", paths: ["src/native/"], below: ["errors"], packages: "node" },
  { name: "tensor", paths: ["src/tensor/"], below: ["native", "errors"], packages: "all" },
  { name: "autograd", paths: ["src/autograd/"], below: ["tensor", "errors"], packages: "all" },
  {
    name: "nn",
    paths: ["src/nn/", "src/optim/", "src/models/"],
    below: ["autograd", "tensor", "files", "errors"],
    packages: "all",
  },
  { name: "data", paths: ["src/data/"], below: ["tensor", "files", "errors"], packages: "all" },
  { name: "transport", paths: ["src/transport/"], below: ["tensor", "native", "errors"], packages: "all" },
  {
    name: "engine",
    paths: ["src/engine/"],
    below: ["transport", "nn", "autograd", "tensor", "schedule", "errors"],
    packages: "all",
  },
  {
    name: "launch",
    paths: ["src/launch/"],
    below: ["transport", "native", "tensor", "errors"],
    packages: "all",
  },
  { name: "trainer", paths: ["src/trainer/"], below: EVERYTHING_BELOW_TRAINER, packages: "all" },
  {
    name: "cli",
    paths: ["src/cli/"],
    below: ["trainer", "launch", "native", "files", "studio", "schedule", "errors"],
    packages: "all",
  },
  {
    name: "index",
    paths: ["src/index.ts"],
    below: ["trainer", ...EVERYTHING_BELOW_TRAINER.filter((name) => name !== "schedule")],
    packages: "all",
  },
];

const layerOf = (path: string) => LAYERS.find(({ paths }) => paths.some((prefix) => path.startsWith(prefix)));

/** Imports that do not point down the layers. */
export function findUpwardImports(files: readonly SourceFile[]): Violation[] {
  const ours = files.filter(({ path }) => path.startsWith("src/") && !isTest(path));
  return ours.flatMap((file) => {
    const layer = layerOf(file.path);
    if (layer === undefined) {
      return [
        {
          file: file.path,
          rule: "every source file belongs to a layer",
          remedy: `move it into one of ${LAYERS.flatMap(({ paths }) => paths).join(", ")}, or add its layer to test/tidy/layers.ts`,
        },
      ];
    }
    return file.imports.flatMap(({ target }) => checkImport(file.path, layer, target));
  });
}

function checkImport(file: string, layer: Layer, target: string): Violation[] {
  const inRepository = target.includes("/") && /\.tsx?$/.test(target);
  if (!inRepository) {
    const { packages } = layer;
    const allowed =
      typeof packages !== "string"
        ? packages.includes(target)
        : packages === "all" || (packages === "node" && target.startsWith("node:"));
    if (allowed) return [];
    const what =
      typeof packages !== "string"
        ? `only ${packages.join(", ")}`
        : packages === "none"
          ? "nothing outside itself"
          : "nothing but built-ins of Node";
    return [
      {
        file,
        rule: `${layer.name} imports ${what}, but takes ${target}`,
        remedy: "remove the import, or move the code up a layer",
      },
    ];
  }
  const targetLayer = layerOf(target);
  if (targetLayer === layer || (targetLayer !== undefined && layer.below.includes(targetLayer.name)))
    return [];
  return [
    {
      file,
      rule: `${layer.name} may import only ${["itself", ...layer.below].join(", ")}, but takes ${target}`,
      remedy: "move what is shared to the lowest layer that needs it, or pass it in as an argument",
    },
  ];
}

/** Permissions of the table above that no import uses. */
export function findUnusedPermissions(files: readonly SourceFile[]): Violation[] {
  const used = new Set(
    files
      .filter(({ path }) => !isTest(path))
      .flatMap(({ path, imports }) =>
        imports.map(({ target }) => `${layerOf(path)?.name} ${layerOf(target)?.name}`),
      ),
  );
  return LAYERS.flatMap(({ name, below }) =>
    below
      .filter((other) => !used.has(`${name} ${other}`))
      .map((other) => ({
        file: "test/tidy/layers.ts",
        rule: `${name} may import ${other}, and never does`,
        remedy: "take the permission away, here and in docs/architecture.md",
      })),
  );
}

/** An import of types that may point back, because the two files are sides of one thing. */
export interface BackEdge {
  readonly from: string;
  readonly to: string;
}

/**
 * A tensor knows its runtime, so that `x.runtime.call(...)` needs no second argument and a kernel no import; and a
 * runtime makes tensors and owns them in scopes. An interface between the two would be `Runtime` written twice.
 */
export const BACK_EDGES: readonly BackEdge[] = [
  { from: "src/tensor/tensor.ts", to: "src/tensor/runtime.ts" },
];

/** Cycles of imports between files, one violation each, and exceptions that no import uses. */
export function findCycles(
  files: readonly SourceFile[],
  options: GraphOptions,
  backEdges: readonly BackEdge[] = [],
): Violation[] {
  const isBackEdge = (path: string, target: string) =>
    backEdges.some(({ from, to }) => from === path && to === target);
  const forward = files.map((file) => ({
    ...file,
    imports: file.imports.filter(({ target, isType }) => !(isType && isBackEdge(file.path, target))),
  }));
  const cycles = cyclesOf(graphOfFiles(forward, "", options)).map((cycle) => ({
    file: cycle[0]!,
    rule: `imports form a cycle: ${cycle.join(" -> ")}`,
    remedy: "move what both need into a file of its own that imports neither",
  }));
  const unused = backEdges
    .filter(({ from, to }) => !files.some((file) => file.path === from && importsOf(file).includes(to)))
    .map(({ from, to }) => ({
      file: "test/tidy/layers.ts",
      rule: `${from} may import types of ${to}, and never does`,
      remedy: "take the exception away",
    }));
  return [...cycles, ...unused];
}

const importsOf = ({ imports }: SourceFile) => imports.map(({ target }) => target);
