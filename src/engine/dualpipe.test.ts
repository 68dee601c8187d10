// Two ranks in one thread: what a pipeline is built from, who owns its parameters and buffers, and what it says when a
// peer is missing.
import { afterEach, beforeEach, expect, test } from "vitest";
import { failOnLeaks } from "../../test/leak-guard.ts";
import { smallGpt } from "../../test/ranks/gpt-model.ts";
import { type MlpStage, mlpStage, wholeBatch } from "../../test/ranks/mlp-model.ts";
import { MoodyStage } from "../../test/ranks/moody-model.ts";
import { mseLoss } from "../autograd/operators/loss.ts";
import { ModuleBuffer } from "../nn/module-buffer.ts";
import { buildProgram, formatAction } from "../schedule/index.ts";
import { Runtime } from "../tensor/runtime.ts";
import { InProcessGroup } from "../transport/in-process/in-process-group.ts";
import { DualPipe, DualPipeV } from "./dualpipe.ts";
import { Pipeline } from "./pipeline.ts";
import { Recorder, timelineOf } from "./record/recorder.ts";
import type { StageModule } from "./stage/stage.ts";
import type { StepOptions } from "./step-data.ts";

const runtime = Runtime.load();
failOnLeaks(runtime);
const sizes = { hidden: 4, sequence: 2, microBatchSize: 1, numMicroBatches: 4, dtype: "float32" } as const;
const { inputs, targets } = wholeBatch(runtime, sizes);
const good: StepOptions = { numChunks: 4, criterion: mseLoss, labels: [targets] };

let numGroups = 0;

/** The ranks of a new group, all in this thread. */
function groupOf(size: number, timeoutMs = 1000): InProcessGroup[] {
  const name = `dualpipe-test-${numGroups++}`;
  return Array.from(
    { length: size },
    (_, rank) => new InProcessGroup(runtime, { name, rank, size, timeoutMs }),
  );
}

function errorOf(body: () => unknown): Error & { code?: string } {
  try {
    body();
  } catch (error) {
    return error as Error;
  }
  throw new Error("nothing was thrown");
}

const modules: StageModule[] = [];

/** A module that is disposed at the end of the test. */
function keep<M extends StageModule>(module: M): M {
  modules.push(module);
  return module;
}

const stage = (index: number, hidden = 4): MlpStage => keep(mlpStage(runtime, { ...sizes, hidden }, index));
let two: [StageModule, StageModule];

beforeEach(() => {
  two = [stage(0), stage(1)];
});

afterEach(() => {
  for (const module of modules.splice(0)) module.dispose();
});

test.each<[string, () => unknown, string, string]>([
  [
    "DualPipe on an odd number of ranks",
    () => new DualPipe(two, { processGroup: groupOf(3)[0]! }),
    "INVALID_SIZES",
    "dualpipe: DualPipe: ranks must be even and at least 2; got 3; use 4",
  ],
  [
    "DualPipe on one rank",
    () => new DualPipe(two, { processGroup: groupOf(1)[0]! }),
    "INVALID_SIZES",
    "dualpipe: DualPipe: ranks must be even and at least 2; got 1; use 2",
  ],
  [
    "an unknown schedule",
    () => new Pipeline({ schedule: "duopipe", modules: new Map(), processGroup: groupOf(1)[0]! }),
    "UNKNOWN_SCHEDULE",
    'dualpipe: schedule: the name must be one of gpipe, 1f1b, looped-bfs, interleaved, interleaved-zb, zb1p, zb2p, zbv, v-min, v-half, dualpipe, dualpipev; got "duopipe"; did you mean dualpipe?',
  ],
  [
    "modules of other stages",
    () => new Pipeline({ schedule: "1f1b", modules: new Map([[0, two[0]]]), processGroup: groupOf(2)[1]! }),
    "INVALID_INPUT",
    "dualpipe: rank 1: the schedule puts the stages 1 here; got modules for 0",
  ],
  [
    "a rank mapping that is no permutation",
    () => new DualPipe(two, { processGroup: groupOf(2)[0]!, rankMapping: [1, 1] }),
    "INVALID_INPUT",
    "dualpipe: rank 0: rankMapping must name each of the ranks 0..1 once; got [1, 1]",
  ],
  [
    "a rank mapping for another number of ranks",
    () => new DualPipe(two, { processGroup: groupOf(2)[0]!, rankMapping: [1, 0, 2] }),
    "INVALID_INPUT",
    "dualpipe: rank 0: rankMapping must name each of the ranks 0..1 once; got [1, 0, 2]",
  ],
])("%s is refused", (_name, construct, code, message) => {
  expect(errorOf(construct)).toMatchObject({ code, message });
});

/** DualPipe on two ranks; the first sends its parameters, and the second takes them. */
function dualPipePair(second: [StageModule, StageModule], timeoutMs?: number): DualPipe[] {
  const groups = groupOf(2, timeoutMs);
  return [two, second].map((modules, rank) => new DualPipe(modules, { processGroup: groups[rank]! }));
}

test.each([
  [5, "micro-batches must be even and at least 2 x ranks; got 5 with 2 ranks; use 6"],
  [2, "micro-batches must be even and at least 2 x ranks; got 2 with 2 ranks; use 4"],
  [0, "micro-batches must be even and at least 2 x ranks; got 0 with 2 ranks; use 4"],
])("refuses %i micro-batches", (numChunks, message) => {
  const [pipe] = dualPipePair([stage(1), stage(0)]);
  const error = errorOf(() => pipe!.step(inputs, { ...good, numChunks }));
  expect(error).toMatchObject({ code: "INVALID_SIZES", message: `dualpipe: DualPipe: ${message}` });
});

test("gives mirrored parameters the values of the lower rank", () => {
  const [one, zero] = [stage(1 + 50), stage(0 + 50)];
  dualPipePair([one, zero]);
  const values = (module: StageModule) => module.parameters().map((parameter) => parameter.toArray());
  expect(values(one)).toEqual(values(two[1]));
  expect(values(zero)).toEqual(values(two[0]));
});

test("refuses mirrored parameters of different shapes", () => {
  expect(errorOf(() => dualPipePair([stage(1, 6), stage(0)]))).toMatchObject({
    code: "HOLDER_MISMATCH",
    message:
      "dualpipe: rank 1: its parameters are float32 [16,4], float32 [4,16], float32 [24,6], float32 [6,24], " +
      "and those of another rank that holds the same stages float32 [16,4], float32 [4,16], float32 [16,4], float32 [4,16]; " +
      "build both from the same configuration",
  });
});

test("a step whose peer never comes ends after the time of its group, and says what it waited for", () => {
  const [first, second] = dualPipePair([stage(1), stage(0)], 20);
  runtime.scope(() => {
    expect(errorOf(() => first!.step(inputs, good))).toMatchObject({
      code: "TIMEOUT",
      action: "1F2",
      peer: 1,
      kind: "activations",
      waitedMs: 20,
      message:
        "dualpipe: in 1F2: rank 0 gave up waiting for activations of rank 1: nothing arrived within 20 ms",
    });
    expect(errorOf(() => second!.step(inputs, good))).toMatchObject({ code: "ABORTED" });
  });
});

test("a stage that is stopped in a group of its own stops its pipeline too", () => {
  const [own, other] = groupOf(2);
  const moody = keep(new MoodyStage(runtime, sizes.hidden, sizes.dtype, 0));
  const groups = groupOf(2);
  const first = new DualPipe([moody, stage(1)], { processGroup: groups[0]! });
  const second = new DualPipe([stage(1), stage(0)], { processGroup: groups[1]! });
  moody.mood = () => own!.receive(1, "control").take();
  other!.abort("the other pipeline failed");
  runtime.scope(() => {
    const message = "rank 0 stopped while waiting for control of rank 1: the other pipeline failed";
    expect(errorOf(() => first.step(inputs, good))).toMatchObject({
      code: "ABORTED",
      message: `dualpipe: in 0F0: ${message}`,
    });
    expect(errorOf(() => second.step(inputs, good)).message).toContain(`rank 0 failed: in 0F0: ${message}`);
  });
});

test("a rank that hears of an error does not pass it on as one of its own", () => {
  const [first, second] = dualPipePair([stage(1), stage(0)]);
  runtime.scope(() => {
    expect(errorOf(() => first!.step(null, good)).message).toContain("pass their inputs to step");
    expect(errorOf(() => second!.step(inputs, good))).toMatchObject({ code: "ABORTED" });
    first!.group.send(1, "control", []);
    expect(second!.group.receive(0, "control").take()).toEqual([]);
  });
});

test("of two mirrors one owns a parameter, and a tied one is owned once", () => {
  const names = (pipe: Pipeline) =>
    pipe.ownedParameters().map(({ stage: index, name }) => `${index} ${name}`);
  expect(dualPipePair([stage(1), stage(0)]).map(names)).toEqual([
    ["0 linear1", "0 linear2"],
    ["1 linear1", "1 linear2"],
  ]);
  const [head, tail] = smallGpt(runtime, true, 2).map(keep);
  const pipe = new DualPipeV([head!, tail!], { processGroup: groupOf(1)[0]! });
  const owned = names(pipe);
  expect(owned).toContain("0 transformer.wte.weight");
  expect(owned).not.toContain("1 lm_head.weight");
  expect(owned).toHaveLength(pipe.parameters().length);
});

test("of two mirrors one owns a buffer, and one that both stages share is owned once", () => {
  const bufferOf = (size: number) => runtime.scope(() => new ModuleBuffer(runtime.zeros([size])));
  const pairWithBuffers = (stages: readonly StageModule[]) => {
    const tied = bufferOf(2);
    return stages.map((module) => Object.assign(module, { own: bufferOf(3), tied }));
  };
  pairWithBuffers(two);
  const [one, zero] = pairWithBuffers([stage(1), stage(0)]);
  const names = (pipe: Pipeline) => pipe.ownedBuffers().map(({ stage: index, name }) => `${index} ${name}`);
  expect(dualPipePair([one!, zero!]).map(names)).toEqual([["0 own", "0 tied"], ["1 own"]]);
});

test("a recorder has every computation of a step, in order, and a timeline starts at zero", () => {
  const recorder = new Recorder();
  const pipe = new DualPipeV(two, { processGroup: groupOf(1)[0]!, recorder });
  runtime.scope(() => {
    pipe.step(inputs, good);
  });
  const track = recorder.take(0);
  const planned = [...buildProgram("dualpipev", { numRanks: 1, numMicroBatches: 4 }).ranks[0]!];
  expect(track.events.map(({ action }) => formatAction(action))).toEqual(planned.map(formatAction));
  const { ranks } = timelineOf("dualpipev", 4, [track]);
  const events = [...ranks[0]!];
  expect(events[0]!.startMs).toBe(0);
  events.forEach(({ startMs, endMs }, i) => {
    expect(endMs).toBeGreaterThanOrEqual(startMs);
    if (i > 0) expect(startMs).toBeGreaterThanOrEqual(events[i - 1]!.endMs);
  });
  expect(recorder.take(0).events).toEqual([]);
});
