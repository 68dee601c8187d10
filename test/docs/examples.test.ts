/**
 * Compiles the `@example` blocks of docstrings against the package's own types. A block shows the lines that matter;
 * what it uses is imported from "dualpipe" or "dualpipe/schedule" by name, and the variables of the lines around it,
 * such as the `rank` and the `runtime` of a rank program, are declared in `AROUND`.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as dualpipe from "dualpipe";
import * as schedule from "dualpipe/schedule";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ROOT } from "./markdown.ts";

interface Example {
  /** Such as `src/nn/module.ts:21`. */
  readonly place: string;
  readonly text: string;
}

const TYPES = ["Tensor", "Runtime", "RankContext", "ProcessGroup"];
const AROUND = `
import type { AdamW, GptConfig, Module, Pipeline, ProcessGroup, Runtime, Tensor } from "dualpipe";
declare global {
  const rank: number, numRanks: number, step: number;
  const runtime: Runtime, processGroup: ProcessGroup, pipe: Pipeline, optimizer: AdamW;
  const model: Module, block: Module, config: GptConfig;
  const stageOf: (index: number) => Module;
  const x: Tensor, inputs: Tensor, targets: Tensor;
}
`;

function examplesOf(path: string): Example[] {
  const lines = readFileSync(join(ROOT, path), "utf8").split("\n");
  return lines.flatMap((line, start) => {
    if (!/^\s*\* @example$/.test(line)) return [];
    const rest = lines.slice(start + 1);
    const end = rest.findIndex((each) => /^\s*\*(\/| @)/.test(each));
    const text = rest.slice(0, end).map((each) => each.replace(/^\s*\* ?/, ""));
    return [{ place: `${path}:${start + 1}`, text: text.join("\n") }];
  });
}

const sources = readdirSync(join(ROOT, "src"), { recursive: true, encoding: "utf8" });
const examples = sources
  .filter((path) => path.endsWith(".ts") && !path.endsWith(".test.ts"))
  .sort()
  .flatMap((path) => examplesOf(`src/${path}`));

/** The example as a module: with its imports, and in a function, since a docstring may end in `return`. */
function moduleOf({ place, text }: Example): string {
  const isSchedule = place.startsWith("src/schedule/");
  const known = isSchedule ? Object.keys(schedule) : [...Object.keys(dualpipe), ...TYPES];
  const used = [...new Set(known)].filter((name) => new RegExp(`\\b${name}\\b`).test(text));
  const imports = `import { ${used.join(", ")} } from "${isSchedule ? "dualpipe/schedule" : "dualpipe"}";`;
  return `${imports}\nexport async function example() {\n${text}\n}\n`;
}

let folder: string;
beforeAll(() => {
  // Inside of the package, so that "dualpipe" is the package itself.
  mkdirSync(join(ROOT, "build"), { recursive: true });
  folder = mkdtempSync(join(ROOT, "build", "examples-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("every example of a docstring compiles", () => {
  writeFileSync(join(folder, "around.ts"), AROUND);
  const names = new Map(examples.map((example, i) => [`example-${i}.ts`, example]));
  for (const [name, example] of names) writeFileSync(join(folder, name), moduleOf(example));
  const compilerOptions = { noUnusedLocals: false, noUnusedParameters: false, noImplicitReturns: false };
  const config = { extends: "../../tsconfig.json", compilerOptions, include: ["*.ts"] };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
  const tsc = join(ROOT, "node_modules", "typescript", "bin", "tsc");
  const { stdout } = spawnSync(process.execPath, [tsc, "-p", folder, "--pretty", "false"], {
    cwd: folder,
    encoding: "utf8",
  });
  expect(stdout.replace(/example-\d+\.ts/g, (name) => `${names.get(name)?.place} (${name})`)).toBe("");
});

test.each(["learningRates.", "clipFactor(", "extends Module<[", "generate(", "buildProgram("])(
  "an example uses %s",
  (use) => {
    expect(examples.filter(({ text }) => text.includes(use))).not.toEqual([]);
  },
);
