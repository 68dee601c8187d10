import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type MetricsRecord, MetricsWriter } from "./metrics.ts";

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "metrics-"));
  mkdirSync(join(folder, "run"));
  path = join(folder, "run", "metrics.jsonl");
});
afterEach(() => rmSync(folder, { recursive: true }));

const TRAIN: MetricsRecord = {
  kind: "train",
  step: 1,
  loss: 7.5,
  learningRate: 1e-3,
  gradientNorm: 2,
  bubble: 0.25,
  peakBytes: 1e9,
  tokensPerSecond: 1000,
  elapsedSeconds: 0.5,
};
const VALIDATION: MetricsRecord = { kind: "validation", step: 1, loss: 7, unigramLoss: 6, elapsedSeconds: 1 };

function lines(): unknown[] {
  const parts = readFileSync(path, "utf8").split("\n");
  expect(parts.pop()).toBe("");
  return parts.map((line) => JSON.parse(line) as unknown);
}

function begun(path: string, options?: { resume: boolean }): MetricsWriter {
  const writer = new MetricsWriter(path, options);
  writer.begin();
  return writer;
}

describe("MetricsWriter", () => {
  it("has every record on disk at once, one a line", () => {
    const writer = begun(path);
    writer.write(TRAIN);
    expect(lines()).toEqual([TRAIN]);
    writer.write(VALIDATION);
    expect(lines()).toEqual([TRAIN, VALIDATION]);
    writer.end();
  });

  it("starts over, or continues when resumed", () => {
    const writeOne = (record: MetricsRecord, options?: { resume: boolean }) => {
      const writer = begun(path, options);
      writer.write(record);
      writer.end();
    };
    writeOne(VALIDATION);
    writeOne(TRAIN);
    writeOne(VALIDATION, { resume: true });
    expect(lines()).toEqual([TRAIN, VALIDATION]);
  });

  it("names what is no finite number", () => {
    const writer = begun(path);
    writer.write({ ...TRAIN, loss: Number.NaN, gradientNorm: Number.POSITIVE_INFINITY });
    expect(lines()).toEqual([{ ...TRAIN, loss: "NaN", gradientNorm: "Infinity" }]);
    writer.end();
  });
});

it("leaves the file alone until it begins, which is after the rendezvous", () => {
  const first = begun(path);
  first.write(TRAIN);
  first.end();
  const second = new MetricsWriter(path);
  expect(lines()).toEqual([TRAIN]);
  second.begin();
  expect(lines()).toEqual([]);
  second.end();
});

it("a full disk does not end a run at its next line, but the lines that are lost are an error at its end", () => {
  const metrics = begun("/dev/full", { resume: true });
  const record = { kind: "validation", step: 1, loss: 1, unigramLoss: 2, elapsedSeconds: 3 } as const;
  expect(() => metrics.write(record)).not.toThrow();
  expect(() => metrics.end()).toThrow(/the last lines of \/dev\/full cannot be written: .*ENOSPC/);
});
