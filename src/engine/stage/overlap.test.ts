import { afterEach, expect, test } from "vitest";
import { forward, sizes, stageInput, training } from "../../../test/engine/stage-step.ts";
import { failOnLeaks } from "../../../test/leak-guard.ts";
import { HookedStage } from "../../../test/ranks/hooked-model.ts";
import { stageSeed } from "../../../test/ranks/mlp-model.ts";
import { mseLoss } from "../../autograd/operators/loss.ts";
import { Runtime } from "../../tensor/runtime.ts";
import { finish, type Suspendable } from "../../tensor/suspension.ts";
import { ModuleStage } from "./module-stage.ts";
import type { OverlapBackward, OverlapHook } from "./overlap.ts";

const runtime = Runtime.load();
failOnLeaks(runtime);
const randn = () => stageInput(runtime);

const modules: HookedStage[] = [];

function newHooked(): HookedStage {
  const module = new HookedStage(runtime, sizes.hidden, sizes.dtype, stageSeed(1));
  modules.push(module);
  return module;
}

afterEach(() => {
  for (const module of modules.splice(0)) module.dispose();
});

test("a hook that returns no loss, though there is a criterion, is refused", () => {
  const module = newHooked();
  const stage = new ModuleStage(module, { rank: 0, stageIndex: 1, numStages: 2 }, () => ({ outputs: [] }));
  const losses: number[] = [];
  runtime.scope(() => {
    const target = randn();
    stage.begin({
      ...training,
      criterion: mseLoss,
      labelsOf: () => [target],
      keepLoss: (_microBatch, loss) => {
        losses.push(loss.item());
        loss.dispose();
      },
    });
    forward(stage, 0, [randn()]);
    const run = stage.overlapped!(1, [randn()], stage, 0, []);
    expect(() => finish(run as Suspendable<unknown>)).toThrow(
      "dualpipe: rank 0, stage 1, micro-batch 1: the criterion must return a tensor with one element; got a value of the type undefined; take its mean or its sum",
    );
    stage.end();
  });
  expect(losses).toHaveLength(1);
});

test.each([
  ["none of it", () => {}],
  ["backwardInputs", (backward: OverlapBackward) => finish(backward.backwardInputs())],
] as const)("a hook that runs %s of the backward is refused", (ran, runBackward) => {
  const module = newHooked();
  const hook: OverlapHook = ({ inputs }, backward) => {
    runBackward(backward);
    return { outputs: module.call(inputs[0]!) };
  };
  const stage = new ModuleStage(module, { rank: 0, stageIndex: 1, numStages: 3 }, hook);
  runtime.scope(() => {
    stage.begin(training);
    forward(stage, 0, [randn()]);
    const run = stage.overlapped!(1, [randn()], stage, 0, [runtime.ones([2, 3, 8])]);
    expect(() => finish(run as Suspendable<unknown>)).toThrow(
      expect.objectContaining({
        code: "BACKWARD_NOT_RUN",
        message: expect.stringContaining(
          `must run the whole backward; it ran ${ran}; call backward.backward()`,
        ),
      }),
    );
    stage.end();
  });
});
