import { expect, test } from "vitest";
import { findCycles, findUnusedPermissions, findUpwardImports, LAYERS } from "./layers.ts";
import { parseSources } from "./repository.ts";
import { drawFolder, measureFolders } from "./structure.ts";

const plant = (texts: Record<string, string>) => parseSources(new Map(Object.entries(texts)));

test.each([
  ["upward", "src/tensor/a.ts", `import { b } from "../engine/b.ts";`],
  ["across", "src/transport/a.ts", `import type { Module } from "../nn/module.ts";`],
  ["by a re-export", "src/autograd/a.ts", `export * from "../nn/module.ts";`],
  ["by a dynamic import", "src/native/a.ts", `const b = await import("../tensor/b.ts");`],
  ["out of the schedules to Node", "src/schedule/schedules/a.ts", `import { readFileSync } from "node:fs";`],
  ["out of the schedules to a package", "src/schedule/a.ts", `import { z } from "zod";`],
  ["out of native to a package", "src/native/a.ts", `import { z } from "zod";`],
  ["to a file outside the layers", "src/engine/a.ts", `import { b } from "../../test/b.ts";`],
  ["from a file outside the layers", "src/loose/a.ts", ""],
])("an import %s is found", (_how, path, text) => {
  expect(findUpwardImports(plant({ [path]: text }))).toMatchObject([{ file: path }]);
});

test.each([
  [
    "src/engine/a.ts",
    `import { b } from "../schedule/b.ts"; import { c } from "./c.ts"; import { readFileSync } from "node:fs";`,
  ],
  ["src/optim/a.ts", `import { b } from "../nn/b.ts"; import { c } from "../autograd/c.ts";`],
  ["src/schedule/a.test.ts", `import { test } from "vitest"; import { b } from "../../test/b.ts";`],
])("the imports of %s are allowed", (path, text) => {
  expect(findUpwardImports(plant({ [path]: text }))).toEqual([]);
});

test("a cycle of three files is found once; a diamond is none", () => {
  const cycle = findCycles(
    plant({
      "src/nn/a.ts": `import { b } from "./b.ts";`,
      "src/nn/b.ts": `import { type B, c } from "./c.ts";`,
      "src/nn/c.ts": `export { a } from "./a.ts";`,
    }),
    { types: false },
  );
  expect(cycle).toHaveLength(1);
  expect(cycle[0]?.rule).toContain("src/nn/a.ts -> src/nn/b.ts -> src/nn/c.ts -> src/nn/a.ts");
  const diamond = plant({
    "src/nn/a.ts": `import "./b.ts"; import "./c.ts";`,
    "src/nn/b.ts": `import "./d.ts";`,
    "src/nn/c.ts": `import "./d.ts";`,
    "src/nn/d.ts": "",
  });
  expect(findCycles(diamond, { types: true })).toEqual([]);
});

test("a cycle of types is found when types count", () => {
  const files = plant({
    "src/nn/a.ts": `import type { B } from "./b.ts";`,
    "src/nn/b.ts": `import { type A } from "./a.ts"; export type { A } from "./a.ts";`,
  });
  expect(findCycles(files, { types: false })).toEqual([]);
  expect(findCycles(files, { types: true })).toMatchObject([{ file: "src/nn/a.ts" }]);
});

test("an exception allows one import of types, and must be used", () => {
  const sides = (how: string) =>
    plant({
      "src/nn/a.ts": `import { b } from "./b.ts";`,
      "src/nn/b.ts": `import ${how} from "./a.ts";`,
    });
  const backEdges = [{ from: "src/nn/b.ts", to: "src/nn/a.ts" }];
  const find = (how: string, edges = backEdges) => findCycles(sides(how), { types: true }, edges);
  expect(find("type { A }")).toEqual([]);
  expect(find("type { A }", [])).toMatchObject([{ file: "src/nn/a.ts" }]);
  expect(find("{ a }")).toMatchObject([{ file: "src/nn/a.ts" }]);
  const other = [...backEdges, { from: "src/nn/a.ts", to: "src/nn/c.ts" }];
  expect(find("type { A }", other)).toMatchObject([{ file: "test/tidy/layers.ts" }]);
});

test("a permission that no import uses is found", () => {
  const pathIn = (layer: string) => {
    const [path] = LAYERS.find(({ name }) => name === layer)!.paths;
    return path!.endsWith("/") ? `${path}a.ts` : path!;
  };
  const importing = (below: (layer: string) => readonly string[]) =>
    plant(
      Object.fromEntries(
        LAYERS.map(({ name }) => {
          const up = "../".repeat(pathIn(name).split("/").length - 1);
          const imports = below(name).map((other) => `import "${up}${pathIn(other)}";`);
          return [pathIn(name), imports.join(" ")];
        }),
      ),
    );
  const all = (layer: string) => LAYERS.find(({ name }) => name === layer)!.below;
  expect(findUnusedPermissions(importing(all))).toEqual([]);
  const allButOne = (layer: string) => all(layer).filter((other) => !(layer === "nn" && other === "tensor"));
  expect(findUnusedPermissions(importing(allButOne)).map(({ rule }) => rule)).toEqual([
    "nn may import tensor, and never does",
  ]);
});

test("a folder is measured file by file and entry by entry", () => {
  const files = plant({
    "src/top.ts": `import { b } from "./low/b.ts"; import { c } from "./low/c.ts"; import { d } from "./low/c.ts";`,
    "src/low/b.ts": `import { c } from "./c.ts";`,
    "src/low/c.ts": `import type { B } from "./b.ts";`,
    "src/low/c.test.ts": `import { c } from "./c.ts";`,
  });
  expect(measureFolders(files, "src")).toEqual([
    {
      folder: "src",
      files: { nodes: 3, arrows: 4, floors: 2, cycles: 0, cyclesWithTypes: 1 },
      entries: { nodes: 2, arrows: 1, floors: 2, cycles: 0, cyclesWithTypes: 0 },
    },
    {
      folder: "src/low",
      files: { nodes: 2, arrows: 2, floors: 1, cycles: 0, cyclesWithTypes: 1 },
      entries: { nodes: 2, arrows: 2, floors: 1, cycles: 0, cyclesWithTypes: 1 },
    },
  ]);
  expect(drawFolder(files, "src")).toEqual([" 2  top.ts: low", " 1  low"]);
});
