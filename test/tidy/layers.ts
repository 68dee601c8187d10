import { isTest, type SourceFile, type Violation } from "./repository.ts";

/** What the files of one layer may import besides their own layer. */
interface Layer {
  readonly name: string;
  /** Folders or files of the repository. */
  readonly paths: readonly string[];
  readonly below: readonly string[];
  /** Whether built-ins of Node and npm packages may be imported; a layer for browsers may not. */
  readonly packages: "all" | "node" | "none";
}

const EVERYTHING_BELOW_TRAINER = [
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

/** The layers from the bottom up; an edge that is not listed here is not allowed. */
export const LAYERS: readonly Layer[] = [
  { name: "errors", paths: ["src/errors/"], below: [], packages: "none" },
  { name: "schedule", paths: ["src/schedule/"], below: ["errors"], packages: "none" },
  { name: "files", paths: ["src/files/"], below: ["errors"], packages: "node" },
  { name: "native", paths: ["src/native/"], below: ["errors"], packages: "node" },
  { name: "tensor", paths: ["src/tensor/"], below: ["native", "errors"], packages: "all" },
  { name: "autograd", paths: ["src/autograd/"], below: ["tensor", "errors"], packages: "all" },
  {
    name: "nn",
    paths: ["src/nn/", "src/optim/", "src/models/"],
    below: ["autograd", "tensor", "errors"],
    packages: "all",
  },
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
  { name: "cli", paths: ["src/cli/"], below: ["trainer", ...EVERYTHING_BELOW_TRAINER], packages: "all" },
  {
    name: "index",
    paths: ["src/index.ts"],
    below: ["trainer", ...EVERYTHING_BELOW_TRAINER],
    packages: "all",
  },
  { name: "studio", paths: ["studio/"], below: ["schedule"], packages: "all" },
];

const layerOf = (path: string) => LAYERS.find(({ paths }) => paths.some((prefix) => path.startsWith(prefix)));

/** Imports that do not point down the layers. */
export function findUpwardImports(files: readonly SourceFile[]): Violation[] {
  const ours = files.filter(
    ({ path }) => (path.startsWith("src/") || path.startsWith("studio/")) && !isTest(path),
  );
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
  const inRepository = target.includes("/") && target.endsWith(".ts");
  if (!inRepository) {
    const allowed = layer.packages === "all" || (layer.packages === "node" && target.startsWith("node:"));
    if (allowed) return [];
    const what = layer.packages === "none" ? "nothing outside itself" : "nothing but built-ins of Node";
    return [
      {
        file,
        rule: `${layer.name} imports ${what}, but takes ${target}`,
        remedy: "do without it, or move the code up a layer",
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

/** Circles of imports between files at run time, one violation for each file that starts one; types are erased. */
export function findCycles(files: readonly SourceFile[]): Violation[] {
  const byPath = new Map(files.filter(({ path }) => !isTest(path)).map((file) => [file.path, file]));
  const finished = new Set<string>();
  const violations: Violation[] = [];

  function visit(path: string, trail: readonly string[]): void {
    const start = trail.indexOf(path);
    if (start >= 0) {
      const cycle = [...trail.slice(start), path].join(" -> ");
      violations.push({
        file: path,
        rule: `imports form a circle: ${cycle}`,
        remedy: "move what both need into a file of its own that imports neither",
      });
      return;
    }
    if (finished.has(path)) return;
    for (const { target, isType } of byPath.get(path)?.imports ?? []) {
      if (!isType && byPath.has(target)) visit(target, [...trail, path]);
    }
    finished.add(path);
  }

  for (const path of byPath.keys()) visit(path, []);
  return violations;
}
