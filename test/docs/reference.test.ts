// Compares the tables of the documents with the code that they describe.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import {
  buildProgram,
  checkSizes,
  lower,
  schedules,
  simulate,
  timelineSvg,
  UNIT_COST,
} from "../../src/schedule/index.ts";
import { parseConfig } from "../../src/trainer/config/config.ts";
import { knownKeys, sectionNames } from "../../src/trainer/config/schema.ts";
import { LAYERS } from "../tidy/layers.ts";
import { LIMITS } from "../tidy/sizes.ts";
import { ROOT, readDocument, tableRows } from "./markdown.ts";

const KINDS: Readonly<Record<string, readonly string[]>> = {
  optimizer: ["adamw", "adam", "lion", "rmsprop", "adagrad", "sgd"],
  learningRateSchedule: ["cosine", "linear", "constant"],
};

test("docs/training.md lists every key of a config, and no other", () => {
  const keys = sectionNames().flatMap((section) => {
    const kinds = KINDS[section] ?? [undefined];
    return kinds.flatMap((kind) =>
      knownKeys(section, kind ? { kind } : {}).map((key) => `${section}.${key}`),
    );
  });
  const listed = tableRows(readDocument("docs/training.md"), "key").map(([key]) => key);
  expect(listed.toSorted()).toEqual([...new Set(keys)].toSorted());
});

function defaultOf(config: string, section: string, name: string): unknown {
  return (parseConfig(config) as unknown as Readonly<Record<string, Readonly<Record<string, unknown>>>>)[
    section
  ]![name];
}

test("docs/training.md gives the defaults of the code", () => {
  const configs = ["", ...KINDS.optimizer!.map((kind) => `optimizer: {kind: ${kind}}`)].map(
    (text) => parseConfig(text) as unknown as Readonly<Record<string, Readonly<Record<string, unknown>>>>,
  );
  for (const [key, given] of tableRows(readDocument("docs/training.md"), "key")) {
    const [section, name] = key!.split(".") as [string, string];
    const value = configs.map((config) => config[section]![name]).find((each) => each !== undefined);
    const text = Array.isArray(value) ? `[${value.join(", ")}]` : String(value);
    const documented = given!.split(";")[0];
    // `auto` is read as what fits the other keys.
    const isAuto = documented === "auto" && defaultOf(`${section}: {${name}: auto}`, section, name) === value;
    expect([key, isAuto ? text : documented]).toEqual([key, text]);
  }
});

test("docs/schedules.md lists every schedule with its sizes", () => {
  const rows = schedules.map(({ name, title, constraints }) => {
    const ruleOf = (sizes: { numRanks: number; numMicroBatches: number; stagesPerRank?: number }): string => {
      try {
        checkSizes(title, constraints, sizes);
      } catch (error) {
        return /must be (.*); got/.exec((error as Error).message)![1]!;
      }
      throw new Error(`${name} takes ${JSON.stringify(sizes)}`);
    };
    const good = { numRanks: 4, numMicroBatches: 8 };
    return [
      name,
      ruleOf({ ...good, numRanks: 0 }),
      ruleOf({ ...good, numMicroBatches: 0 }),
      ruleOf({ ...good, stagesPerRank: 0 }),
    ];
  });
  const listed = tableRows(readDocument("docs/schedules.md"), "name").map((row) => row.slice(0, 4));
  expect(listed).toEqual(rows);
});

test("docs/architecture.md lists the layers and what each may import", () => {
  const listed = tableRows(readDocument("docs/architecture.md"), "layer");
  const wanted = LAYERS.map(({ name, below }) => [name, below.toSorted().join(", ") || "nothing"]);
  const given = listed.map(([name, , below]) => [name, below!.split(", ").toSorted().join(", ")]);
  expect(new Map(given as [string, string][])).toEqual(new Map(wanted as [string, string][]));
});

test("CONTRIBUTING.md states the limits that test/tidy checks", () => {
  const stated = tableRows(readDocument("CONTRIBUTING.md"), "limit").map(([, limit]) => Number(limit));
  expect(stated).toEqual(Object.values(LIMITS));
});

test("docs/extending.md names a file or a folder to start in for every task", () => {
  const tasks = tableRows(readDocument("docs/extending.md"), "task");
  expect(tasks).toHaveLength(12);
  for (const [task, start] of tasks) {
    const path = /\[[^\]]+\]\(\.\.\/([^)]+)\)/.exec(start!)?.[1];
    expect(existsSync(join(ROOT, path!)), task).toBe(true);
  }
});

test("docs/schedules.md compares the schedules by their simulation", () => {
  const rows = schedules.map(({ name, constraints }) => {
    const program = lower(buildProgram(name, { numRanks: 8, numMicroBatches: 24 }));
    const { makespan, bubbleRatio, peakActivations } = simulate(program, UNIT_COST);
    // If a model is cut into twice as many stages, each has half of the activations.
    const scale = constraints.stagesPerRank.atLeast;
    const activations = Math.max(...peakActivations) / scale;
    return [name, `${makespan / scale}`, `${(100 * bubbleRatio).toFixed(1)} %`, `${activations}`];
  });
  expect(tableRows(readDocument("docs/schedules.md"), "schedule")).toEqual(rows);
});

test("the chart of DualPipe is up to date", () => {
  const program = lower(buildProgram("dualpipe", { numRanks: 8, numMicroBatches: 20 }));
  const svg = timelineSvg(simulate(program, UNIT_COST).timeline);
  expect(readFileSync(join(ROOT, "docs/images/dualpipe.svg"), "utf8")).toBe(svg);
});
