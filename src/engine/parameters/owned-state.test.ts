import { expect, test } from "vitest";
import { failOnLeaks } from "../../../test/leak-guard.ts";
import { noGrad } from "../../autograd/grad-mode.ts";
import { linear } from "../../autograd/operators/linear.ts";
import { mseLoss } from "../../autograd/operators/loss.ts";
import { Parameter } from "../../autograd/parameter.ts";
import { Linear } from "../../nn/layers/linear.ts";
import { Module } from "../../nn/module.ts";
import { ModuleBuffer } from "../../nn/module-buffer.ts";
import { SGD } from "../../optim/sgd.ts";
import { Runtime } from "../../tensor/runtime.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { InProcessGroup } from "../../transport/in-process/in-process-group.ts";
import { DualPipeV } from "../dualpipe.ts";

const runtime = Runtime.load();
failOnLeaks(runtime);

const layer = () => new Linear(runtime, 2, 2);

let numGroups = 0;
function pipelineOf(stages: readonly [Module, Module]): DualPipeV {
  const processGroup = new InProcessGroup(runtime, { name: `owned ${numGroups++}`, rank: 0, size: 1 });
  return new DualPipeV(stages, { processGroup });
}

function step(pipe: DualPipeV): number {
  return runtime.scope(() => {
    const options = { numChunks: 2, criterion: mseLoss, labels: [runtime.zeros([2, 2])] };
    return pipe.step(runtime.ones([2, 2]), options).loss!.toArray()[0]!;
  });
}

class InObject extends Module {
  readonly experts = { a: layer() };
  forward(x: Tensor): Tensor {
    return this.experts.a.call(x);
  }
}

class InMap extends Module {
  readonly experts = new Map([["a", [layer()]]]);
  forward(x: Tensor): Tensor {
    return this.experts.get("a")![0]!.call(x);
  }
}

class InList extends Module {
  readonly weights = [new Parameter(runtime.ones([2, 2]))];
  forward(x: Tensor): Tensor {
    return linear(x, this.weights[0]!);
  }
}

class Plain extends Module {
  inner = layer();
  forward(x: Tensor): Tensor {
    return this.inner.call(x);
  }
}

class Counting extends Module {
  readonly inner = layer();
  count: Tensor | undefined = new ModuleBuffer(runtime.zeros([2], "int64"));
  forward(x: Tensor): Tensor {
    return this.inner.call(x);
  }
}

/** A layer that no property leads to. */
class Private extends Module {
  readonly #inner = layer();
  forward(x: Tensor): Tensor {
    return this.#inner.call(x);
  }
  override dispose(): void {
    this.#inner.dispose();
  }
}

test.each([
  ["a plain object", InObject],
  ["an array in a Map", InMap],
  ["an array", InList],
])("parameters in %s are found and trained", (_, Stage) => {
  using first = new Stage(runtime);
  using second = new Stage(runtime);
  const pipe = pipelineOf([first, second]);
  const named = [first, second].flatMap((stage, i) =>
    stage.namedParameters().map(([name, parameter]) => [`${i}.${name}`, parameter] as const),
  );
  using optimizer = new SGD(named, { learningRate: 0.01 });
  const before = step(pipe);
  optimizer.step();
  optimizer.zeroGrad();
  expect(step(pipe)).toBeLessThan(before);
});

test("a gradient that reaches a parameter that cannot be found is an error that names it and the stage", () => {
  using first = new Plain(runtime);
  using second = new Private(runtime);
  const pipe = pipelineOf([first, second]);
  expect(() => step(pipe)).toThrow(
    /rank 0, 1\w\d: a gradient reached a parameter float32\[2(, 2)?\] that belongs to no stage .* in a property of the stage's module/,
  );
  first.zeroGrad();
});

test("a frozen one is no error, nor is one in a forward-only step", () => {
  using weight = new Parameter(runtime.ones([2, 2]), false);
  class Frozen extends Module {
    readonly inner = layer();
    forward(x: Tensor): Tensor {
      return linear(this.inner.call(x), weight);
    }
  }
  using first = new Frozen(runtime);
  using second = new Frozen(runtime);
  expect(step(pipelineOf([first, second]))).toBeGreaterThan(0);
});

test("a layer that takes another's place after the pipeline was made is an error at the next step", () => {
  using first = new Plain(runtime);
  using second = new Plain(runtime);
  const pipe = pipelineOf([first, second]);
  step(pipe);
  const old = second.inner;
  second.inner = layer();
  expect(() => step(pipe)).toThrow(
    /rank 0, stage 1: the parameter inner.weight \[2, 2\] was replaced after the pipeline was made; change the modules first/,
  );
  old.dispose();
  expect(step(pipelineOf([first, second]))).toBeGreaterThan(0);
});

test.each([
  ["another buffer", () => new ModuleBuffer(runtime.ones([2], "int64")), "replaced"],
  [
    "a plain tensor",
    () => runtime.ones([2], "int64").share(),
    "removed, or replaced by what is no ModuleBuffer,",
  ],
  ["nothing", () => undefined, "removed, or replaced by what is no ModuleBuffer,"],
])("%s in place of a buffer is an error at the next step, training or forward only", (_, make, how) => {
  using first = new Counting(runtime);
  using second = new Counting(runtime);
  const pipe = pipelineOf([first, second]);
  step(pipe);
  const old = second.count;
  second.count = runtime.scope(make);
  const message = `rank 0, stage 1: the buffer count [2] was ${how} after the pipeline was made; to give it other values`;
  expect(() => step(pipe)).toThrow(message);
  expect(() => noGrad(runtime, () => step(pipe))).toThrow(message);
  second.count?.dispose();
  second.count = old;
  expect(step(pipe)).toBeGreaterThan(0);
});

test("a buffer that is added after the pipeline was made is an error, and one that is changed in place is none", () => {
  using first = new Counting(runtime);
  using second = new Counting(runtime);
  const pipe = pipelineOf([first, second]);
  runtime.scope(() => first.loadStateDict({ ...first.stateDict(), count: runtime.ones([2], "int64") }));
  step(pipe);
  Object.assign(first, { other: runtime.scope(() => new ModuleBuffer(runtime.zeros([]))) });
  expect(() => step(pipe)).toThrow("stage 0: the buffer other [] was added after the pipeline was made");
});
