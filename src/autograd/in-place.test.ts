import { expect, test } from "vitest";
import { withParameter } from "../../test/autograd/with-parameter.ts";
import { failOnLeaks } from "../../test/leak-guard.ts";
import { SGD } from "../optim/sgd.ts";
import { operator } from "../tensor/native-operator.ts";
import { Runtime } from "../tensor/runtime.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { backward } from "./backward.ts";
import { noGrad } from "./grad-mode.ts";
import { tanh } from "./operators/activation.ts";
import { linear } from "./operators/linear.ts";
import { exp } from "./operators/pointwise.ts";
import { sum } from "./operators/reduction.ts";
import { reshape, transpose } from "./operators/shape.ts";
import { detach, markInput } from "./record.ts";

const runtime = Runtime.load();
failOnLeaks(runtime);

const RELU_ = operator("aten::relu_");
const MUL_ = operator("aten::mul_", "Scalar");
const EXP_OUT = operator("aten::exp", "out");

const changes: Record<string, (y: Tensor) => void> = {
  "relu_ by callInPlace": (y) => runtime.callInPlace(RELU_, y),
  "relu_ by call": (y) => void runtime.call(RELU_, y),
  "mul_ on a view": (y) => runtime.callInPlace(MUL_, reshape(y, [4]), 2),
  "an out argument": (y) => runtime.callInPlace(EXP_OUT, runtime.ones([2, 2]), y),
};

test.each(Object.entries(changes))("%s of a tensor in a graph is refused", (_, change) => {
  withParameter(runtime, (p) => {
    const y = tanh(p);
    expect(() => change(y)).toThrow(expect.objectContaining({ code: "CHANGED_IN_PLACE" }));
    backward(sum(y));
    expect(p.grad!.toArray()[0]).toBeCloseTo(1 - Math.tanh(1) ** 2, 6);
  });
});

test.each(Object.entries(changes))(
  "%s within noGrad, of a tensor that was saved, is found by the backward",
  (_, change) => {
    withParameter(runtime, (p) => {
      const y = tanh(p);
      const loss = sum(y);
      noGrad(runtime, () => change(y));
      expect(() => backward(loss)).toThrow(
        /the backward of tanh needs a tensor that aten::\w+ changed in place/,
      );
    });
  },
);

test("a change through a view that was made first, or of what a view was made of, is found", () => {
  withParameter(runtime, (p) => {
    const y = exp(p);
    const flat = detach(transpose(y, 0, 1));
    noGrad(runtime, () => runtime.callInPlace(MUL_, flat, 2));
    expect(() => backward(sum(y))).toThrow(/the backward of exp/);
  });
  withParameter(runtime, (p) => {
    const base = runtime.ones([2, 2]);
    const y = linear(reshape(base, [2, 2]), p);
    runtime.callInPlace(MUL_, base, 2);
    expect(() => backward(sum(y))).toThrow(/the backward of linear needs a tensor that aten::mul_/);
  });
});

test("an optimizer's step between a forward and its backward is found, where the parameter was saved", () => {
  withParameter(runtime, (p) => {
    const optimizer = new SGD([["p", p]], { learningRate: 0.1 });
    backward(sum(linear(runtime.ones([1, 2]), p)));
    const x = runtime.ones([1, 2]);
    const leaf = markInput(x, true)!;
    const loss = sum(linear(x, p));
    optimizer.step();
    expect(() => backward(loss)).toThrow(/linear needs a tensor that aten::_foreach_add_/);
    leaf.grad?.dispose();
    optimizer.dispose();
  });
});

test("changes of parameters before a forward or after its backward, and of what nothing saved, are legal", () => {
  withParameter(runtime, (p) => {
    const optimizer = new SGD([["p", p]], { learningRate: 0.5 });
    for (let step = 0; step < 2; step++) {
      backward(sum(linear(runtime.ones([1, 2]), p)));
      optimizer.step();
      optimizer.zeroGrad();
    }
    runtime.callInPlace(MUL_, p, 2);
    expect(p.toArray()).toEqual([0, 0, 0, 0]);
    const y = tanh(p);
    runtime.callInPlace(MUL_, p, 0);
    backward(sum(y));
    expect(p.grad!.toArray()).toEqual([1, 1, 1, 1]);
    optimizer.dispose();
  });
});

test.each([false, true])(
  "a change of a stage's input is refused (with a gradient: %s), even within noGrad",
  (needsGrad) => {
    runtime.scope(() => {
      const x = runtime.ones([2]);
      markInput(x, needsGrad);
      for (const mode of [(body: () => void) => body(), (body: () => void) => noGrad(runtime, body)])
        expect(() => mode(() => runtime.callInPlace(RELU_, x))).toThrow(
          /aten::relu_: it would change an input of a stage/,
        );
      runtime.callInPlace(
        RELU_,
        noGrad(runtime, () => exp(x)),
      );
    });
  },
);
