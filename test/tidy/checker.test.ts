import { expect, test } from "vitest";
import {
  findEnvironmentReads,
  findForbiddenSyntax,
  findMissingHeaders,
  findRepeatedOperators,
} from "./code.ts";
import { findBareErrors, findErrorCodes } from "./errors.ts";
import { findBrokenEntries, findUnusedExports } from "./exports.ts";
import { parseSources } from "./repository.ts";
import { findLargeFolders, findLongFiles, findLongFunctions, findWideLines } from "./sizes.ts";
import { findEmptyNames, findForbiddenTexts, findNotes } from "./text.ts";
import { findBannedWords } from "./words.ts";

const plant = (texts: Record<string, string>) => parseSources(new Map(Object.entries(texts)));

test("an unused export is found, but not one that is used in any way", () => {
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

test("a file that reads the environment is found, but not the one that may", () => {
  const files = plant({
    "src/errors/environment.ts": "export const all = process.env;",
    "src/cli/a.ts": "const { HOME } = process.env;",
    "src/cli/b.ts": "import { env } from 'node:process'; log(process.argv, cache.env);",
    "src/cli/c.test.ts": "process.env.HOME;",
    "test/d.ts": "process.env.HOME;",
  });
  expect(findEnvironmentReads(files).map(({ file }) => file)).toEqual(["src/cli/a.ts"]);
});

test("an entry of package.json without a source is found", () => {
  const manifest = {
    exports: { ".": "./dist/index.js", "./gone": { types: "./dist/gone.d.ts", default: "./dist/gone.js" } },
    bin: { dualpipe: "dist/cli/main.js" },
  };
  const files = plant({ "src/index.ts": "", "src/cli/main.ts": "" });
  expect(findBrokenEntries(manifest, files).map(({ rule }) => rule)).toEqual([
    "it offers ./dist/gone.d.ts, which the build does not create",
    "it offers ./dist/gone.js, which the build does not create",
  ]);
});

const lines = (count: number) => "x;\n".repeat(count);

test("a file over its limit is found, one at its limit is not", () => {
  const texts = new Map([
    ["src/a.ts", lines(301)],
    ["src/b.ts", lines(300)],
    ["test/c.ts", lines(301)],
    ["native/a.cpp", lines(501)],
    ["native/b.h", lines(500)],
    ["docs/long.md", lines(900)],
  ]);
  expect(findLongFiles(texts).map(({ file }) => file)).toEqual(["src/a.ts", "test/c.ts", "native/a.cpp"]);
});

test("a function over its limit is found in each of its forms, a suite of tests is none", () => {
  const files = plant({
    "src/a.ts": `\nfunction a() {\n${lines(69)}}`,
    "src/b.ts": `class B { b() {\n${lines(69)}} }`,
    "src/c.ts": `const c = () => {\n${lines(69)}};`,
    "src/d.ts": `function d() {\n${lines(68)}}`,
    "src/e.test.ts": `describe("e", () => {\n${lines(99)}}); test("f", () => {\n${lines(99)}});`,
  });
  const found = findLongFunctions(files).map(({ file }) => file);
  expect(found).toEqual(["src/a.ts:2", "src/b.ts:1", "src/c.ts:1", "src/e.test.ts:101"]);
});

test("a folder of sixteen files is found, with any number of tests", () => {
  const folder = (name: string, count: number) =>
    Array.from({ length: count }, (_, i) => [`src/${name}/${i}.ts`, `src/${name}/${i}.test.ts`]).flat();
  const paths = [...folder("full", 15), ...folder("large", 16), ...folder("large/inner", 3)];
  expect(findLargeFolders(paths)).toMatchObject([{ file: "src/large" }]);
});

test("wide lines are found in comments and prose, not in code, tables and blocks", () => {
  const wide = "word ".repeat(25);
  const texts = new Map([
    ["src/a.ts", `const a = 1;\n  // ${wide}\n`],
    ["src/b.ts", `const b = "${wide}";\n/** ${"word ".repeat(22)}*/\n`],
    ["native/c.cpp", `/* ${wide} */`],
    ["docs/d.md", `# D\n\n${wide}\n`],
    ["docs/e.md", `| ${wide} |\n\`\`\`ts\n${wide}\n\`\`\`\n`],
  ]);
  expect(findWideLines(texts).map(({ file }) => file)).toEqual([
    "src/a.ts:2",
    "native/c.cpp:1",
    "docs/d.md:3",
  ]);
});

test("plain errors are found in the source, whether thrown or handed on", () => {
  const files = plant({
    "src/a.ts": `throw new Error("a");`,
    "src/b.ts": `\nreject(new RangeError("b"));`,
    "src/c.ts": `throw new StepError("BAD", {}, "c"); if (e instanceof Error) throw e;`,
    "src/d.test.ts": `throw new Error("d");`,
    "test/e.ts": `throw new Error("e");`,
  });
  expect(findBareErrors(files).map(({ file }) => file)).toEqual(["src/a.ts:1", "src/b.ts:2"]);
});

test("an error code of two classes is found, and one in lower case", () => {
  const files = plant({
    "src/a.ts": `export type ACode = "BAD_A" | "SHARED"; class A extends DualPipeError<ACode> {}`,
    "src/b.ts": `class B extends DualPipeError<"BAD_B" | "SHARED"> {} class Other<T extends "SHARED"> {}`,
    "src/c.ts": `import type { CCode } from "./codes.ts"; class C extends DualPipeError<CCode> {}`,
    "src/codes.ts": `export type CCode = "bad-c";`,
  });
  expect(findErrorCodes(files).map(({ rule }) => rule)).toEqual([
    "A and B share the code SHARED",
    "the code bad-c of C is not upper case",
  ]);
});

test("a long file without a header is found, and a listed one; a listed file that is gone, too", () => {
  const texts = new Map([
    ["src/long.ts", `import "x";\n${lines(150)}`],
    ["src/fine.ts", `/** The idea. */\n${lines(150)}`],
    ["src/short.ts", "a;"],
    ["src/listed.ts", "a;"],
    ["native/listed.cpp", "// The idea.\nint a;"],
    ["test/long.ts", lines(200)],
  ]);
  const listed = ["src/listed.ts", "src/gone.ts", "native/listed.cpp"];
  const found = findMissingHeaders(texts, listed).map(({ file }) => file);
  expect(found).toEqual(["src/gone.ts", "src/long.ts", "src/listed.ts"]);
});

test("an operator that two files declare is found, another overload is not", () => {
  const files = plant({
    "src/a.ts": `const ADD = operator("aten::add", "Tensor"); const ADD_NUMBER = operator("aten::add", "Scalar");`,
    "src/b.ts": `const ADD = operator("aten::add", "Tensor"); const any = operator(name, overload);`,
    "src/c.test.ts": `operator("aten::add", "Tensor");`,
  });
  expect(findRepeatedOperators(files).map(({ file, rule }) => `${file}: ${rule}`)).toEqual([
    "src/b.ts: src/a.ts declares the operator aten::add.Tensor, too",
  ]);
});

test.each([
  ["src/engine/a.ts", "const numModelChunks = 2;"],
  ["src/engine/a.ts", "// each chunk of the batch"],
  ["src/engine/a.ts", "run(microBatches: number)"],
  ["src/schedule/schedules/a.ts", "type Phase = 0 | 1;"],
  ["src/launch/a.ts", "// the node that leads"],
  ["src/launch/a.ts", "const nodeRank = 0;"],
  ["src/engine/a.ts", "interface StagePlace {}"],
  ["src/launch/a.ts", "onLost();"],
  ["src/launch/a.ts", "// without a sign of life"],
  ["docs/a.md", "a time-out of ten minutes"],
  ["native/a.cpp", "// c10d's store"],
  ["src/models/a.ts", "readonly numFeatures: number;"],
  ["README.md", "how to mend it"],
  ["src/a.ts", "/** Of all replicas. */"],
  ["test/a.test.ts", `test("whoever comes first", () => {});`],
])("%s may not say %s", (path, text) => {
  expect(findBannedWords(new Map([[path, `\n${text}\n`]]))).toMatchObject([{ file: `${path}:2` }]);
});

test.each([
  ["src/engine/a.ts", "step(inputs, { numChunks: 8 });"],
  ["src/engine/a.ts", "const microBatches: number[] = [];"],
  ["src/trainer/config/a.ts", "readonly microBatches: number;"],
  ["src/launch/a.ts", `import { join } from "node:path"; // --nnodes, --nproc-per-node, PET_NODE_RANK`],
  ["src/autograd/a.ts", "// the nodes of the graph"],
  ["src/tensor/a.ts", "const ADD_INPLACE = runtime.callInPlace;"],
  ["docs/a.md", "a timeout, and timeouts; `npm run --silent build`; a recommendation; besides"],
  ["native/a.cpp", "c10d::Store store; // torch/csrc/distributed/c10d/Store.hpp"],
  ["CHANGELOG.md", "onLost is now disconnect"],
])("%s may say %s", (path, text) => {
  expect(findBannedWords(new Map([[path, `\n${text}\n`]]))).toEqual([]);
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
