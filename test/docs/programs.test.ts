import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { runRanks } from "dualpipe";
import { expect, test } from "vitest";
import { writePng } from "../data/write-png.ts";
import { ROOT, readDocuments } from "./markdown.ts";

const tsBlocks = readDocuments().flatMap(({ blocks }) => blocks.filter(({ language }) => language === "ts"));

test.each(tsBlocks.map((block) => [block.place, block] as const))(
  "the TypeScript at %s is that of a file which is compiled and run",
  (_place, { text, source }) => {
    expect(source).toBeDefined();
    expect(readFileSync(join(ROOT, source!), "utf8")).toContain(text);
  },
);

test("README shows the whole example of two stages by hand", () => {
  const block = tsBlocks.find(({ source }) => source === "examples/by-hand/main.ts")!;
  expect(block.place).toMatch(/^README\.md/);
  expect(block.text).toBe(readFileSync(join(ROOT, "examples/by-hand/main.ts"), "utf8"));
});

const program = (name: string) => new URL(`./programs/${name}.ts`, import.meta.url);

test("a model of one's own learns the same under two schedules", async () => {
  const losses = new Map<string, number>();
  for (const schedule of ["1f1b", "dualpipe"]) {
    const results = await runRanks<number | null>(program("own-model"), { numRanks: 2, data: { schedule } });
    const ends = results.filter((loss) => loss !== null);
    losses.set(schedule, ends.reduce((a, b) => a + b) / ends.length);
  }
  expect(losses.get("dualpipe")).toBeCloseTo(losses.get("1f1b")!, 4);
  // The labels are squares of normal numbers: predicting 0 would give an error of 3.
  expect(losses.get("1f1b")).toBeLessThan(3);
});

test("images of two classes are told apart, with the same losses under two schedules", async () => {
  const folder = mkdtempSync(join(tmpdir(), "dualpipe-docs-"));
  // Noise that is brighter in the upper half, or in the lower half.
  for (let i = 0; i < 40; i++) {
    const isUpper = i % 2 === 0;
    const pixels = Array.from({ length: 64 }, (_, pixel) => {
      const noise = (Math.imul(i * 64 + pixel + 1, 2654435761) >>> 0) % 100;
      const value = noise + (pixel < 32 === isUpper ? 100 : 0);
      return [value, value, value, 255];
    });
    writePng(join(folder, isUpper ? "upper" : "lower", `${i}.png`), 8, pixels.flat(), "gray");
  }
  const losses: number[] = [];
  for (const schedule of ["1f1b", "dualpipe"]) {
    const data = { folder, schedule };
    const results = await runRanks<number | null>(program("image-classes"), { numRanks: 2, data });
    const ends = results.filter((loss) => loss !== null);
    losses.push(ends.reduce((a, b) => a + b) / ends.length);
  }
  rmSync(folder, { recursive: true });
  expect(losses[1]).toBeCloseTo(losses[0]!, 4);
  // A guess has the loss ln 2 = 0.69.
  expect(losses[0]).toBeLessThan(0.1);
});

test("an operator of one's own has the right gradient", async () => {
  const { checkErf } = (await import("./programs/custom-function.ts")) as { checkErf: () => void };
  expect(checkErf).not.toThrow();
});

test("an operator that has no function of its own has its gradient", async () => {
  const { anyOperator } = (await import("./programs/any-operator.ts")) as { anyOperator: () => number[] };
  expect(anyOperator()).toEqual([2, 12, 0]);
});

test("a module is saved in bfloat16 and loaded, in two lines", () => {
  const folder = mkdtempSync(join(tmpdir(), "dualpipe-docs-"));
  const args = ["--import", import.meta.resolve("tsx"), fileURLToPath(program("save-and-load"))];
  const { stdout, stderr } = spawnSync(process.execPath, args, { cwd: folder, encoding: "utf8" });
  rmSync(folder, { recursive: true });
  expect(stderr).toBe("");
  // Half of the last of eight digits.
  expect(Number(stdout)).toBeGreaterThan(0);
  expect(Number(stdout)).toBeLessThanOrEqual(2 ** -8);
});

test("stages that swap their outputs swap the losses of the replicas, and the gradients behind the swap", async () => {
  interface Result {
    readonly losses: readonly number[];
    readonly gradients: readonly (readonly number[])[];
  }
  const results = await runRanks<{ apart: Result; swapped: Result }>(program("swap"), { numRanks: 4 });
  const [apart, swapped] = [results.map((each) => each.apart), results.map((each) => each.swapped)];
  for (let rank = 0; rank < 4; rank++) {
    const other = (rank + 2) % 4;
    expect(swapped[rank]!.losses).toEqual(apart[other]!.losses);
    const stages = rank % 2 === 0 ? [0, 1] : [1, 0];
    stages.forEach((stage, i) => {
      expect(swapped[rank]!.gradients[i]).toEqual(apart[stage === 0 ? rank : other]!.gradients[i]);
    });
  }
  expect(apart[0]!.losses).not.toEqual(apart[2]!.losses);
});

test("the hook of a stage's class runs the overlapped pairs", async () => {
  interface Result {
    readonly losses: readonly number[];
    readonly numPairs: number;
  }
  const results = await runRanks<Result>(program("hook"), { numRanks: 2 });
  for (const { losses, numPairs } of results) {
    expect(losses).toHaveLength(4);
    expect(numPairs).toBe(5);
  }
});
