import { afterEach, expect, test } from "vitest";
import { forward, sizes, stageInput, training } from "../../../test/engine/stage-step.ts";
import { failOnLeaks } from "../../../test/leak-guard.ts";
import { type MlpStage, mlpStage } from "../../../test/ranks/mlp-model.ts";
import { backward } from "../../autograd/backward.ts";
import { mul } from "../../autograd/operators/arithmetic.ts";
import { markInput } from "../../autograd/record.ts";
import { Module } from "../../nn/module.ts";
import { Runtime } from "../../tensor/runtime.ts";
import { finish, isSuspendable, type Suspendable } from "../../tensor/suspension.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { Message } from "../../transport/process-group.ts";
import { ModuleStage } from "./module-stage.ts";
import type { StageModule } from "./stage.ts";
import type { StepContext } from "./step-context.ts";

const runtime = Runtime.load();
failOnLeaks(runtime);
const numRows = sizes.sequence * sizes.microBatchSize;
const edgeBytes = 4 * numRows * sizes.hidden;

/** The middle one of three stages, in a step. */
function middleOf(module: StageModule, step: StepContext = training): ModuleStage {
  const stage = new ModuleStage(module, { rank: 0, stageIndex: 1, numStages: 3 }, undefined);
  stage.begin(step);
  return stage;
}

const randn = (): Tensor => stageInput(runtime);

/** A module made of one function. */
class FunctionStage extends Module<never, Tensor | Message> {
  readonly #body: (...inputs: (Tensor | null)[]) => Tensor | Message;

  constructor(body: (...inputs: (Tensor | null)[]) => Tensor | Message) {
    super(runtime);
    this.#body = body;
  }

  forward(...inputs: (Tensor | null)[]): Tensor | Message {
    return this.#body(...inputs);
  }
}

/** A module that makes a tensor, then waits for a transfer. */
class SuspendedStage extends Module {
  forward(x: Tensor): Suspendable<Tensor> {
    return this.#wait(x);
  }

  *#wait(x: Tensor): Suspendable<Tensor> {
    const y = mul(x, x);
    yield { isDone: () => false, wait: () => {} };
    return y;
  }
}

const modules: MlpStage[] = [];

function newMlp(index = 1): MlpStage {
  const module = mlpStage(runtime, sizes, index);
  modules.push(module);
  useOnce(module);
  return module;
}

/** The first call of a module keeps the transposed weights. */
function useOnce(module: MlpStage): void {
  runtime.scope(() => {
    module.call(randn());
  });
}

afterEach(() => {
  for (const module of modules.splice(0)) module.dispose();
});

test("an output is freed once it is sent, and its graph is walked all the same", () => {
  const module = newMlp();
  const stage = middleOf(module);
  const { device } = runtime;
  const before = device.memory().liveBytes;
  const outputs = forward(stage, 0, [randn()]);
  // What the backward needs: the stage's input, and the input and the output of its GELU.
  expect(device.memory().liveBytes - before).toBe((1 + 4 + 4) * edgeBytes + edgeBytes);
  stage.outputsSent(0);
  expect(outputs[0]!.disposed).toBe(true);
  expect(device.memory().liveBytes - before).toBe((1 + 4 + 4) * edgeBytes);

  const [inputGrad] = finish(stage.backwardInputs(0, [randn()]));
  // W needs the inputs of both products and the gradients of their outputs; the input of the GELU is gone.
  expect(device.memory().liveBytes - before).toBe((1 + 4 + 4 + 1) * edgeBytes + edgeBytes);
  inputGrad!.dispose();
  finish(stage.backwardWeights(0, false));
  module.zeroGrad();
  expect(device.memory().liveBytes).toBe(before);
  stage.end();
});

test("I and W, and the whole backward, give the gradients of the module alone", () => {
  const module = newMlp();
  const stage = middleOf(module);
  runtime.scope(() => {
    const [x, outputGrad] = [randn(), randn()];
    const leaf = markInput(x, true)!;
    backward(module.call(x), [outputGrad]);
    const expected = [leaf.grad!.toArray(), ...module.parameters().map(({ grad }) => grad!.toArray())];
    leaf.grad!.dispose();
    module.zeroGrad();

    forward(stage, 0, [x.share()]);
    stage.outputsSent(0);
    const [inputGrad] = finish(stage.backwardInputs(0, [outputGrad.share()]));
    for (const { grad } of module.parameters()) expect(grad).toBeNull();
    finish(stage.backwardWeights(0, false));
    const split = [inputGrad!.toArray(), ...module.parameters().map(({ grad }) => grad!.toArray())];
    expect(split).toEqual(expected);
    inputGrad!.dispose();
    stage.end();
    module.zeroGrad();

    const first = new ModuleStage(module, { rank: 0, stageIndex: 0, numStages: 3 }, undefined);
    first.begin(training);
    forward(first, 0, [x.share()]);
    first.outputsSent(0);
    finish(first.backward(0, [outputGrad.share()]));
    expect(module.parameters().map(({ grad }) => grad!.toArray())).toEqual(expected.slice(1));
    first.end();
  });
});

test("the most micro-batches held at once are counted from the beginning of the step", () => {
  const stage = middleOf(newMlp());
  for (const microBatch of [0, 1, 2]) forward(stage, microBatch, [randn()]);
  stage.outputsSent(1);
  for (const grad of finish(stage.backwardInputs(1, [randn()]))) grad!.dispose();
  finish(stage.backwardWeights(1, false));
  forward(stage, 3, [randn()]);
  expect(stage.maxInFlight).toBe(3);
  stage.end();
  stage.begin(training);
  expect(stage.maxInFlight).toBe(0);
  stage.end();
});

test.each<[string, (stage: ModuleStage) => void]>([
  ["after a forward", () => {}],
  ["after an I", (stage) => finish(stage.backwardInputs(0, [randn()]))[0]!.dispose()],
  ["after a failed I", (stage) => expect(() => finish(stage.backwardInputs(0, [null, null]))).toThrow()],
  [
    "in a suspended forward that was not begun",
    () => {
      const x = randn();
      const stage = middleOf(new SuspendedStage(runtime));
      expect(isSuspendable(stage.forward(5, [x]))).toBe(true);
      expect(x.disposed).toBe(false);
      x.dispose();
      stage.end();
    },
  ],
  [
    "in a suspended forward that was broken off",
    () => {
      const x = randn();
      const stage = middleOf(new SuspendedStage(runtime));
      const computation = stage.forward(5, [x]) as Suspendable<Message>;
      computation.next();
      computation.return([]);
      expect(x.disposed).toBe(true);
      stage.end();
    },
  ],
])("a step that ends %s leaves nothing", (_name, breakOff) => {
  const module = newMlp();
  const numTensors = runtime.addon.numTensors();
  const stage = middleOf(module);
  forward(stage, 0, [randn()]);
  breakOff(stage);
  stage.end();
  expect(runtime.addon.numTensors()).toBe(numTensors);
});

test("inputs that are not floating point, and outputs without a history, have no gradients", () => {
  const stage = middleOf(
    new FunctionStage((x, tokens, absent) => [tokens!, x!, absent!, runtime.ones([2]), x!]),
  );
  const [tokens, x, absent, constant, again] = forward(stage, 0, [
    runtime.tensor([0.5, 1]),
    runtime.tensor([3, 4], [2], "int64"),
    null,
  ]);
  expect(tokens!.toArray()).toEqual([3, 4]);
  expect(absent).toBeNull();
  expect(constant!.toArray()).toEqual([1, 1]);
  expect([x!.toArray(), again!.toArray()]).toEqual([
    [0.5, 1],
    [0.5, 1],
  ]);
  stage.outputsSent(0);
  // The input came out twice: its gradient is the sum of both. A gradient for an output that has none is ignored.
  const grads = finish(
    stage.backwardInputs(0, [
      null,
      runtime.tensor([1, 2]),
      null,
      runtime.ones([2]),
      runtime.tensor([10, 20]),
    ]),
  );
  expect(grads.map((grad) => grad?.toArray() ?? null)).toEqual([[11, 22], null, null]);
  for (const grad of grads) grad?.dispose();
  finish(stage.backwardWeights(0, false));
  stage.end();
});

test("the inputs of the first stage have no gradients, and nothing runs forward alone to keep one", () => {
  const module = newMlp(0);
  const stage = new ModuleStage(module, { rank: 0, stageIndex: 0, numStages: 2 }, undefined);
  stage.begin(training);
  forward(stage, 0, [randn()]);
  stage.outputsSent(0);
  expect(finish(stage.backwardInputs(0, [randn()]))).toEqual([null]);
  finish(stage.backwardWeights(0, false));
  expect(module.linear1.grad).not.toBeNull();
  stage.end();
  module.zeroGrad();
  const { numTensors } = runtime.addon;
  const before = numTensors();
  stage.begin({ ...training, training: false });
  runtime.gradEnabled = false;
  forward(stage, 0, [randn()]);
  runtime.gradEnabled = true;
  stage.outputsSent(0);
  expect(numTensors()).toBe(before);
  stage.end();
});

test("gradients that do not fit the outputs are refused", () => {
  const stage = middleOf(newMlp());
  forward(stage, 0, [randn()]);
  forward(stage, 1, [randn()]);
  const refuse = (microBatch: number, grads: Message, message: string): void =>
    expect(() => finish(stage.backwardInputs(microBatch, grads))).toThrow(
      expect.objectContaining({
        code: "SHAPE_MISMATCH",
        location: { rank: 0, stage: 1, microBatch },
        message: `dualpipe: rank 0, stage 1, micro-batch ${microBatch}: ${message}`,
      }),
    );
  runtime.scope(() => {
    refuse(
      0,
      [null, null],
      "2 gradients arrived for 1 outputs; the next stage must take every output as an input",
    );
    refuse(
      1,
      [runtime.ones([2, 3, 9])],
      "output 0 has the shape [2,3,8] and its gradient [2,3,9]; they must be equal",
    );
  });
  stage.end();
});
