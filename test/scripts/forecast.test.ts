import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test, vi } from "vitest";

const { inWords, openingLine, StepClock, trainingSeconds } = (await import(
  new URL("../../scripts/forecast.mjs", import.meta.url).href
)) as {
  inWords: (seconds: number) => string;
  openingLine: (steps: readonly (readonly [string, number])[], load?: number) => string;
  StepClock: new (what: string, seconds: number, print: (line: string) => void) => { stop(): void };
  trainingSeconds: (args: readonly string[], metricsPath: string) => number | undefined;
};

const folder = mkdtempSync(join(tmpdir(), "dualpipe-forecast-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const metrics = join(folder, "metrics.jsonl");

test.each([
  [0.2, "1 s"],
  [40.4, "40 s"],
  [100, "2 min"],
  [4000, "67 min"],
  [6000, "1 h 40 min"],
])("%d seconds are %s", (seconds, words) => {
  expect(inWords(seconds)).toBe(words);
});

test("what npm start does is said with the time of each part, and the sum", () => {
  const steps = [
    ["npm packages", 20],
    ["training", 130],
  ] as const;
  const line = openingLine(steps, 0);
  expect(line).toMatch(/^this takes about 3 min on \d+ cores?: npm packages 20 s, training 2 min$/);
  expect(openingLine(steps, 3 * availableParallelism())).toMatch(
    /^this takes about 10 min on \d+ cores?, which other programs are using: npm packages 80 s, training 9 min$/,
  );
});

test("the training takes what its steps take, unless the settings make it another", () => {
  const all = trainingSeconds([], metrics)!;
  const tenth = trainingSeconds(["--set", "training.steps=50"], metrics)!;
  expect(all).toBeGreaterThan(5 * tenth - 60);
  expect(all).toBeLessThan(1000 / Math.min(4, availableParallelism()));
  expect(trainingSeconds(["--set", "output.dir=x", "--set=training.seed=2"], metrics)).toBe(all);
  expect(trainingSeconds(["--set", "model.hiddenSize=512"], metrics)).toBeUndefined();
});

test("an earlier run with the same settings decides, and no other", () => {
  writeFileSync(
    metrics,
    `{"kind":"train","step":100,"elapsedSeconds":700}\n{"kind":"validation","step":100}\n`,
  );
  const settings = ["schedule: dualpipe", "ranks: 4", "hiddenSize: 128", "numLayers: 8", "microBatchSize: 2"];
  writeFileSync(join(folder, "config.yaml"), settings.map((line) => `  ${line}`).join("\n"));
  expect(trainingSeconds([], metrics)).toBe(10 + 7 * 500);
  writeFileSync(join(folder, "config.yaml"), settings.slice(1).join("\n"));
  expect(trainingSeconds([], metrics)).toBeLessThan(1000);
});

test("a step that lasts says how long it has taken and what is left", () => {
  vi.useFakeTimers();
  try {
    const lines: string[] = [];
    const clock = new StepClock("compiling", 20, (line: string) => lines.push(line));
    vi.advanceTimersByTime(30_000);
    clock.stop();
    vi.advanceTimersByTime(30_000);
    expect(lines).toEqual([
      "compiling: about 20 s",
      "compiling: 15 s so far, about 5 s left",
      "compiling: 30 s so far, longer than usual",
    ]);
  } finally {
    vi.useRealTimers();
  }
});
