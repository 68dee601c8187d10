// What enters and leaves a pipeline: batches that cannot be cut or joined, and gradients that would end there unseen.
import { afterAll, expect, test } from "vitest";
import { failOnLeaks } from "../../test/leak-guard.ts";
import { noGrad } from "../autograd/grad-mode.ts";
import { add, mul } from "../autograd/operators/arithmetic.ts";
import { mseLoss } from "../autograd/operators/loss.ts";
import { mean } from "../autograd/operators/reduction.ts";
import { Parameter } from "../autograd/parameter.ts";
import { detach } from "../autograd/record.ts";
import { Linear } from "../nn/layers/linear.ts";
import { Module } from "../nn/module.ts";
import { operator } from "../tensor/native-operator.ts";
import { Runtime } from "../tensor/runtime.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { InProcessGroup } from "../transport/in-process/in-process-group.ts";
import { DualPipeV } from "./dualpipe.ts";
import { type Batch, sameForAll } from "./micro-batches.ts";
import type { StageModule } from "./stage/stage.ts";

const runtime = Runtime.load();
failOnLeaks(runtime);
let numGroups = 0;

class Weighted extends Module<[Tensor, Tensor], Tensor> {
  forward(x: Tensor, weights: Tensor): Tensor {
    return mul(x, weights);
  }
}

class Last extends Module<[Tensor], readonly (Tensor | null)[]> {
  readonly #extra: (call: number, x: Tensor) => Tensor | null;
  #numCalls = 0;

  constructor(extra: (call: number, x: Tensor) => Tensor | null) {
    super(runtime);
    this.#extra = extra;
  }

  forward(x: Tensor): (Tensor | null)[] {
    return [x, this.#extra(this.#numCalls++, x)];
  }
}

class Unrecorded extends Module<[Tensor], Tensor> {
  readonly linear = new Linear(runtime, 3, 3);
  readonly #then: (y: Tensor) => Tensor;

  constructor(then: (y: Tensor) => Tensor) {
    super(runtime);
    this.#then = then;
  }

  forward(x: Tensor): Tensor {
    return this.#then(this.linear.call(x));
  }
}

const ERF = operator("aten::erf");
const last = new Linear(runtime, 3, 3);
const first = new Linear(runtime, 3, 3);
const parameter = new Parameter(runtime.ones([2, 3]));
// A parameter makes this view at its first use, and keeps it.
for (const { weight } of [first, last]) void weight.transposed;
afterAll(() => {
  for (const each of [first, last, parameter]) each.dispose();
});

function pipeOf(one: Module<never, unknown>, other: Module<never, unknown>): DualPipeV {
  const processGroup = new InProcessGroup(runtime, { name: `ends ${numGroups++}`, rank: 0, size: 1 });
  return new DualPipeV([one as StageModule, other as StageModule], { processGroup });
}

function stepWeighted(inputs: Batch, labels: Batch): readonly number[] {
  const { loss } = pipeOf(new Weighted(runtime), last).step(inputs, {
    numChunks: 4,
    criterion: mseLoss,
    labels,
  });
  for (const parameter of last.parameters()) parameter.grad = null;
  return loss!.shape;
}

test("inputs or labels with another number of rows than the rest are refused", () => {
  runtime.scope(() => {
    const [eight, four] = [runtime.ones([8, 3]), runtime.ones([4, 3])];
    const rule = "differ in dimension 0, along which the batch is cut";
    expect(() => stepWeighted([eight, four], [eight])).toThrow(`inputs: the shapes [8,3] and [4,3] ${rule}`);
    expect(() => stepWeighted([eight, eight], [four])).toThrow(
      `inputs and labels: the shapes [8,3] and [4,3] ${rule}`,
    );
  });
});

test("sameForAll gives every micro-batch the whole tensor", () => {
  runtime.scope(() => {
    const eight = runtime.ones([8, 3]);
    expect(stepWeighted([eight, sameForAll(runtime.ones([1, 3]))], [eight])).toEqual([4]);
    expect(stepWeighted([eight, eight], [sameForAll(runtime.ones([2, 3]))])).toEqual([4]);
  });
});

function outputsWith(extra: (call: number, x: Tensor) => Tensor | null) {
  const criterion = ((y: Tensor, _extra: unknown, t: Tensor) => mseLoss(y, t)) as never;
  const { outputs } = pipeOf(first, new Last(extra)).step(runtime.ones([8, 3]), {
    numChunks: 4,
    criterion,
    labels: [runtime.ones([8, 3])],
    returnOutputs: true,
  });
  return (outputs as readonly (Tensor | null)[]).map((output) => output?.shape ?? null);
}

test("whole outputs are joined from all micro-batches, and numbers are stacked", () => {
  runtime.scope(() => {
    expect(outputsWith(() => null)).toEqual([[8, 3], null]);
    expect(outputsWith((_, x) => mean(x))).toEqual([[8, 3], [4]]);
    for (const parameter of first.parameters()) parameter.grad = null;
  });
});

test.each<[string, number, (call: number, x: Tensor) => Tensor | null]>([
  ["is null", 1, (call, x) => (call === 0 ? x : null)],
  ["is float32 of the shape [2,3]", 1, (call, x) => (call === 0 ? null : x)],
  ["is float32 of the shape [2,5]", 3, (call) => runtime.ones([2, call === 3 ? 5 : 4])],
])("outputs of which one %s in micro-batch %i alone are refused there", (problem, microBatch, extra) => {
  runtime.scope(() => {
    expect(() => outputsWith(extra)).toThrow(
      `dualpipe: rank 0, micro-batch ${microBatch}: returnOutputs: its output 1 ${problem}, and that of the first micro-batch `,
    );
    for (const parameter of first.parameters()) parameter.grad = null;
  });
});

function stepWith(x: Tensor, y: Tensor, criterion: (y: Tensor, t: Tensor) => Tensor): () => void {
  return () => {
    try {
      pipeOf(first, last).step(x, { numChunks: 2, criterion, labels: [y] });
    } finally {
      for (const module of [first, last]) for (const parameter of module.parameters()) parameter.grad = null;
    }
  };
}

test("a loss without a gradient, or one that ignores the outputs, is refused", () => {
  runtime.scope(() => {
    const x = runtime.ones([2, 3]);
    const where = "dualpipe: rank 0, stage 1, micro-batch 0: ";
    expect(stepWith(x, x, (y) => mean(detach(y)))).toThrow(`${where}no gradient flows from the loss`);
    expect(stepWith(x, x, () => mean(parameter))).toThrow(`${where}the loss does not depend on the outputs`);
  });
});

test("inputs and labels that were computed from a parameter are refused", () => {
  runtime.scope(() => {
    const x = runtime.ones([2, 3]);
    const rule = "the tensor at position 0 is a parameter or was computed from one";
    const computed = [parameter, mul(parameter, parameter), runtime.call(ERF, parameter)];
    for (const tensor of computed) {
      expect(stepWith(tensor, x, mseLoss)).toThrow(`inputs: ${rule}`);
      expect(stepWith(x, tensor, mseLoss)).toThrow(`labels: ${rule}`);
    }
    expect(stepWith(detach(parameter), x, mseLoss)).not.toThrow();
    noGrad(runtime, stepWith(mul(parameter, parameter), x, mseLoss));
  });
});

test("a gradient that would end at an operator without record is refused in a step", () => {
  runtime.scope(() => {
    const x = runtime.ones([2, 3]);
    const lost = (what: string) =>
      expect.objectContaining({
        code: "STAGE_FAILED",
        message: expect.stringContaining(`${what} was computed by a call of aten::erf that is not recorded`),
      });
    const outcomes = [
      // The loss, the output of a stage, and one of two branches of a stage.
      stepWith(x, x, (y) => runtime.call(ERF, mean(y))),
      () => stepThrough(new Unrecorded((y) => runtime.call(ERF, y))),
      () => stepThrough(new Unrecorded((y) => add(y, runtime.call(ERF, y)))),
    ];
    const messages = ["the loss", "output 0 of the stage", "add: input b"];
    for (const [i, step] of outcomes.entries()) expect(step).toThrow(lost(messages[i]!));
    stepThrough(new Unrecorded((y) => add(y, runtime.call(ERF, detach(y)))));
    noGrad(runtime, () => stepThrough(new Unrecorded((y) => runtime.call(ERF, y))));
  });
});

function stepThrough(module: Module<[Tensor], Tensor>): void {
  try {
    const x = runtime.ones([2, 3]);
    pipeOf(module, last).step(x, { numChunks: 2, criterion: mseLoss, labels: [x] });
  } finally {
    for (const each of [module, last]) for (const parameter of each.parameters()) parameter.grad = null;
    module.dispose();
  }
}
