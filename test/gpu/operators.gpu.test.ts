// The functions whose gradients LibTorch has, on a card: PyTorch's values and gradients, whole and split. To seven
// places: some kernels for cards, such as those of hardswish, have constants in float32.
import { expect, test } from "vitest";
import { backward, differentiable } from "../../src/autograd/index.ts";
import { Parameter } from "../../src/autograd/parameter.ts";
import { operator } from "../../src/tensor/native-operator.ts";
import { Runtime } from "../../src/tensor/runtime.ts";
import { checkFunction, FUNCTIONS } from "../autograd/library-cases.ts";
import { failOnLeaks } from "../leak-guard.ts";

const runtime = Runtime.load({ device: "cuda" });
failOnLeaks(runtime);

test.each(Object.entries(FUNCTIONS))("%s", (name, compute) => {
  checkFunction(runtime, name, compute, 7);
});

test("what a recorded call saved is freed after its backward", () => {
  runtime.scope(() => {
    using x = new Parameter(runtime.randn([1 << 20]));
    const liveBytes = () => runtime.device.memory().liveBytes;
    const before = liveBytes();
    runtime.scope(() => {
      const y = differentiable(operator("aten::sin"), x);
      backward(differentiable(operator("aten::sum"), y));
    });
    x.grad = null;
    expect(liveBytes()).toBe(before);
  });
});
