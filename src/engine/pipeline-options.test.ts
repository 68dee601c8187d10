import { afterEach, expect, test } from "vitest";
import { failOnLeaks } from "../../test/leak-guard.ts";
import { mseLoss } from "../autograd/operators/loss.ts";
import { Sequential } from "../nn/containers.ts";
import { Linear } from "../nn/layers/linear.ts";
import { buildProgram } from "../schedule/index.ts";
import { Runtime } from "../tensor/runtime.ts";
import { InProcessGroup } from "../transport/in-process/in-process-group.ts";
import { Pipeline } from "./pipeline.ts";
import { type ModulesByStage, numStagesOf, stagesOfRank } from "./pipeline-options.ts";
import type { StageModule } from "./stage/stage.ts";

const runtime = Runtime.load();
failOnLeaks(runtime);
const made: StageModule[] = [];
const keep = <M extends StageModule>(module: M): M => {
  made.push(module);
  return module;
};
afterEach(() => {
  for (const module of made.splice(0)) module.dispose();
});
const head = () => keep(new Sequential(runtime, new Linear(runtime, 2, 3)));
const tail = () => keep(new Linear(runtime, 3, 1));
const pipeOf = (name: string, modules: ModulesByStage) =>
  new Pipeline({
    schedule: "dualpipev",
    modules,
    processGroup: new InProcessGroup(runtime, { name, rank: 0, size: 1 }),
  });

test.each([
  ["dualpipe", 4, undefined, 4],
  ["dualpipev", 4, undefined, 8],
  ["zbv", 3, undefined, 6],
  ["1f1b", 3, undefined, 3],
  ["interleaved", 2, 3, 6],
] as const)(
  "%s cuts a model on %i ranks into its number of stages",
  (name, numRanks, stagesPerRank, numStages) => {
    expect(numStagesOf(name, numRanks, stagesPerRank)).toBe(numStages);
    const held = Array.from({ length: numRanks }, (_, rank) =>
      stagesOfRank(name, numRanks, rank, stagesPerRank),
    );
    expect(new Set(held.flat()).size).toBe(numStages);
  },
);

test("a program of one's own says its number of stages, and an unknown name is refused", () => {
  const program = buildProgram("dualpipev", { numRanks: 2, numMicroBatches: 4 });
  expect(numStagesOf(program, 2)).toBe(4);
  expect(() => numStagesOf("dualpipes", 2)).toThrow('got "dualpipes"');
});

// This file is compiled: each form takes modules of two classes.
test.each<[string, () => ModulesByStage]>([
  [
    "pairs",
    () => [
      [0, head()],
      [1, tail()],
    ],
  ],
  ["an object", () => ({ 0: head(), 1: tail() })],
  [
    "a Map",
    () =>
      new Map<number, StageModule>([
        [0, head()],
        [1, tail()],
      ]),
  ],
  ["a Map of a union", () => new Map([0, 1].map((i) => [i, i === 0 ? head() : tail()] as const))],
])("modules of two classes are given as %s", (name, modules) => {
  const pipe = pipeOf(name, modules());
  runtime.scope(() => {
    const labels = [runtime.ones([2, 1])];
    const { loss } = pipe.step(runtime.ones([2, 2]), { numChunks: 2, criterion: mseLoss, labels });
    expect(loss!.shape).toEqual([2]);
    for (const parameter of pipe.parameters()) parameter.grad = null;
  });
});

test("two modules for one stage, or something else than a module, are refused", () => {
  expect(() =>
    pipeOf("a", [
      [0, head()],
      [0, tail()],
    ]),
  ).toThrow(
    "rank 0: modules must give one module for each stage of the rank, such as [[0, head], [3, tail]]; got the stages 0,0",
  );
  expect(() =>
    pipeOf("b", [
      [0, head()],
      [1, { call: () => {} } as never],
    ]),
  ).toThrow("got an object of the class Object for stage 1");
  expect(() =>
    pipeOf("c", [
      [0, head()],
      [2, tail()],
    ]),
  ).toThrow("the schedule puts the stages 0 and 1 here; got modules for 0 and 2");
});
