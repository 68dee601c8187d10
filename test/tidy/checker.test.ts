import { expect, test } from "vitest";
import { findBrokenEntries, findUnusedExports } from "./exports.ts";
import { findCycles, findUpwardImports } from "./layers.ts";
import { parseSources } from "./repository.ts";
import { findEmptyNames, findForbiddenSyntax, findForbiddenTexts, findLongFiles, findNotes } from "./text.ts";

const plant = (texts: Record<string, string>) => parseSources(new Map(Object.entries(texts)));

test.each([
  ["upward", "src/tensor/a.ts", `import { b } from "../engine/b.ts";`],
  ["across", "src/transport/a.ts", `import type { Module } from "../nn/module.ts";`],
  ["by a re-export", "src/autograd/a.ts", `export * from "../nn/module.ts";`],
  ["by a dynamic import", "src/native/a.ts", `const b = await import("../tensor/b.ts");`],
  ["out of the schedules to Node", "src/schedule/schedules/a.ts", `import { readFileSync } from "node:fs";`],
  ["out of the schedules to a package", "src/schedule/a.ts", `import { z } from "zod";`],
  ["out of native to a package", "src/native/a.ts", `import { z } from "zod";`],
  ["out of the studio", "studio/page.ts", `import { b } from "../src/engine/b.ts";`],
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

test("a circle of three files is found once; a diamond and a circle of types are none", () => {
  const cycle = findCycles(
    plant({
      "src/nn/a.ts": `import { b } from "./b.ts";`,
      "src/nn/b.ts": `import { type B, c } from "./c.ts";`,
      "src/nn/c.ts": `export { a } from "./a.ts";`,
    }),
  );
  expect(cycle).toHaveLength(1);
  expect(cycle[0]?.rule).toContain("src/nn/a.ts -> src/nn/b.ts -> src/nn/c.ts -> src/nn/a.ts");
  const diamond = plant({
    "src/nn/a.ts": `import "./b.ts"; import "./c.ts";`,
    "src/nn/b.ts": `import "./d.ts";`,
    "src/nn/c.ts": `import "./d.ts";`,
    "src/nn/d.ts": "",
  });
  expect(findCycles(diamond)).toEqual([]);
  const types = plant({
    "src/nn/a.ts": `import type { B } from "./b.ts";`,
    "src/nn/b.ts": `import { type A } from "./a.ts"; export type { A } from "./a.ts";`,
  });
  expect(findCycles(types)).toEqual([]);
});

test("an unused export is found, a used one in each of its ways is not", () => {
  const files = plant({
    "src/nn/a.ts":
      "export const named = 1; export const unused = 2; log(unused); export interface Options {} export interface Lost {}",
    "src/nn/signature.ts": "export interface Shape {} export function area(shape: Shape) {}",
    "src/nn/star.ts": "export const starred = 1;",
    "src/nn/lazy.ts": "export const lazy = 1;",
    "src/nn/default.ts": "export default 1;",
    "src/trainer/rank/rank-program.ts": "export default function train() {} export const loose = 1;",
    "src/index.ts": `export * from "./nn/star.ts"; export const entry = 1;`,
    "test/a.test.ts": `import one from "../src/nn/default.ts"; import { named as n, type Options } from "../src/nn/a.ts";
      import { area } from "../src/nn/signature.ts"; await import("../src/nn/lazy.ts");`,
  });
  const rules = findUnusedExports(files, new Set(["src/index.ts"])).map(({ rule }) => rule);
  expect(rules).toEqual(["unused", "Lost", "loose"].map((name) => `nothing imports its export ${name}`));
});

test("an entry of package.json without a source is found", () => {
  const manifest = {
    exports: { ".": "./dist/index.js", "./gone": { types: "./dist/gone.d.ts", default: "./dist/gone.js" } },
    bin: { dualpipe: "dist/cli/main.js" },
  };
  const files = plant({ "src/index.ts": "", "src/cli/main.ts": "" });
  expect(findBrokenEntries(manifest, files).map(({ rule }) => rule)).toEqual([
    "it offers ./dist/gone.d.ts, which the build does not make",
    "it offers ./dist/gone.js, which the build does not make",
  ]);
});

test("a file over its limit is found, one at its limit is not", () => {
  const lines = (count: number) => "x\n".repeat(count);
  const texts = new Map([
    ["src/a.ts", lines(351)],
    ["src/b.ts", lines(350)],
    ["native/a.cpp", lines(501)],
    ["native/b.h", lines(500)],
    ["docs/long.md", lines(900)],
  ]);
  expect(findLongFiles(texts).map(({ file }) => file)).toEqual(["src/a.ts", "native/a.cpp"]);
});

test("names that say nothing are found as files and as folders", () => {
  const paths = ["src/nn/utils.ts", "src/common/a.ts", "test/helpers.test.ts", "src/nn/commonality.ts"];
  const found = findEmptyNames(new Map(paths.map((path) => [path, ""]))).map(({ file }) => file);
  expect(found).toEqual(paths.slice(0, 3));
});

test("paths and hosts of one workplace are found", () => {
  const place = `/${"work"}/main`;
  const texts = new Map([
    ["README.md", `see ${place}`],
    ["package-lock.json", `"resolved": "${"https"}://mirror.example/x.tgz"`],
    ["docs/a.md", `fetch ${"https"}://packages.corp/simple`],
    ["docs/fine.md", "https://pytorch.org and network/work/flow"],
  ]);
  expect(findForbiddenTexts(texts).map(({ file }) => file)).toEqual([
    "README.md",
    "package-lock.json",
    "docs/a.md",
  ]);
});

test("notes are found in comments, not in strings", () => {
  const note = ["TO", "DO"].join("");
  const files = plant({ "src/a.ts": `// ${note}: later`, "src/b.ts": `const text = "${note}";` });
  expect(findNotes(files).map(({ file }) => file)).toEqual(["src/a.ts"]);
});

test("`any` and switched tests are found", () => {
  const files = plant({
    "src/a.ts": "export const a = (x: any[]) => x as unknown; // any",
    "src/b.test.ts": `test.skip("b", () => {}); describe.only("c", () => {});`,
    "src/c.test.ts": `cursor.skip(1); test("test.only(", () => {}); test.skipIf(true)("c", () => {});`,
  });
  expect(findForbiddenSyntax(files).map(({ file, rule }) => `${file}: ${rule}`)).toEqual([
    "src/a.ts: the type `any`",
    "src/b.test.ts: a test with .skip",
    "src/b.test.ts: a test with .only",
  ]);
});
