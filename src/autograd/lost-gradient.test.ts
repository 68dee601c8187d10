import { expect, test } from "vitest";
import { withParameter } from "../../test/autograd/with-parameter.ts";
import { failOnLeaks } from "../../test/leak-guard.ts";
import { dtypeCode } from "../tensor/dtype.ts";
import { operator } from "../tensor/native-operator.ts";
import { Runtime } from "../tensor/runtime.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { backward } from "./backward.ts";
import { checkpoint } from "./checkpoint.ts";
import { record } from "./custom-function.ts";
import { noGrad } from "./grad-mode.ts";
import { add, mul } from "./operators/arithmetic.ts";
import { embedding } from "./operators/embedding.ts";
import { sum } from "./operators/reduction.ts";
import { detach } from "./record.ts";

const runtime = Runtime.load();
failOnLeaks(runtime);

const ERF = operator("aten::erf");
const STACK = operator("aten::stack");
const VAR_MEAN = operator("aten::var_mean");
const COPY_ = operator("aten::copy_");
const ERF_OUT = operator("aten::erf", "out");
const TO_DTYPE = operator("aten::to", "dtype");

const lost = (operatorName: string) =>
  expect.objectContaining({
    code: "GRADIENT_LOST",
    message: expect.stringContaining(` a call of ${operatorName} `),
  });

const calls: Record<string, [operatorName: string, (p: Tensor) => Tensor]> = {
  call: ["aten::erf", (p) => runtime.call(ERF, p)],
  "a call of a list": ["aten::stack", (p) => runtime.call(STACK, [runtime.ones([2, 2]), p], 0)],
  callMany: ["aten::var_mean", (p) => runtime.callMany(VAR_MEAN, p, false)[1]!],
  "callInPlace on a plain tensor": [
    "aten::copy_",
    (p) => {
      const plain = runtime.ones([2, 2]);
      runtime.callInPlace(COPY_, plain, p);
      return plain;
    },
  ],
  "callInPlace with an out argument": [
    "aten::erf",
    (p) => {
      const out = runtime.empty([2, 2]);
      runtime.callInPlace(ERF_OUT, p, out);
      return out;
    },
  ],
  "a call of a call": ["aten::erf", (p) => runtime.call(operator("aten::neg"), runtime.call(ERF, p))],
  "a call of what a node computed": ["aten::erf", (p) => runtime.call(ERF, mul(p, 2))],
};

test.each(Object.entries(calls))(
  "%s without record is an error where a gradient should flow",
  (_, [name, call]) => {
    withParameter(runtime, (p) => {
      expect(() => backward(call(p), runtime.ones([2, 2]))).toThrow(lost(name));
      // One of two branches: the gradient of the other would arrive.
      expect(() => backward(sum(add(p, call(p))))).toThrow(lost(name));
      expect(() => backward(sum(checkpoint((x) => call(x), p)))).toThrow(lost(name));
      expect(() => backward(sum(checkpoint((x) => mul(call(x), 2), p)))).toThrow(lost(name));
      expect(p.grad).toBeNull();
    });
  },
);

test("the error says which input, and what to do", () => {
  withParameter(runtime, (p) => {
    expect(() => add(p, runtime.call(ERF, p))).toThrow(
      "dualpipe: add: input b was computed by a call of aten::erf that is not recorded, so its gradient would end there; " +
        "say with record how it goes on or, where none is wanted, call the operator on detach(tensor) or within noGrad",
    );
  });
});

const allowed: Record<string, (p: Tensor) => Tensor> = {
  "on a detached tensor": (p) => runtime.call(ERF, detach(p)),
  "within noGrad": (p) => noGrad(runtime, () => runtime.call(ERF, p)),
  "that detaches": (p) => runtime.call(operator("aten::detach"), p),
  "that reads the shape alone": (p) => runtime.call(operator("aten::rand_like"), p),
  "that makes a new tensor like one": (p) => runtime.call(operator("aten::new_ones"), p, [2, 2]),
  "of a comparison, as numbers": (p) =>
    runtime.call(TO_DTYPE, runtime.call(operator("aten::gt", "Scalar"), p, 0), dtypeCode("float32")),
  "of a plain tensor": () => runtime.call(ERF, runtime.ones([2, 2])),
};

test.each(Object.entries(allowed))("a call %s needs no record", (_, call) => {
  withParameter(runtime, (p) => {
    backward(sum(mul(p, call(p))));
    expect(p.grad).not.toBeNull();
  });
});

test("whole numbers from a call are indices without more ado", () => {
  withParameter(runtime, (p) => {
    const indices = runtime.call(operator("aten::argmax"), p, 1);
    backward(sum(embedding(p, indices)));
    expect(p.grad!.toArray()).toEqual([2, 2, 0, 0]);
  });
});

test("record says how the gradient goes on, or that there is none", () => {
  withParameter(runtime, (p) => {
    const y = runtime.call(ERF, runtime.call(ERF, p));
    backward(sum(record("twice", { p }, y, {}, (dy) => ({ p: dy }))));
    expect(p.grad!.toArray()).toEqual([1, 1, 1, 1]);
    const constant = record("constant", { x: detach(p) }, runtime.call(ERF, p), {}, () => ({ x: null }));
    backward(sum(mul(p, constant)));
  });
});

test("a frozen parameter has no gradient to lose", () => {
  withParameter(runtime, (p) => {
    p.requiresGrad = false;
    expect(add(p, runtime.call(ERF, p)).shape).toEqual([2, 2]);
  });
});

test("a parameter may be changed in place from itself", () => {
  withParameter(runtime, (p) => {
    runtime.callInPlace(operator("aten::mul_", "Tensor"), p, runtime.full([2, 2], 3));
    backward(sum(mul(p, p)));
    expect(p.grad!.toArray()).toEqual([6, 6, 6, 6]);
  });
});
