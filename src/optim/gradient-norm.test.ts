import { beforeAll, expect, test } from "vitest";
import { failOnLeaks } from "../../test/leak-guard.ts";
import { Parameter } from "../autograd/parameter.ts";
import type { DType } from "../tensor/dtype.ts";
import { Runtime } from "../tensor/runtime.ts";
import { clipFactor, scaleGradients, squaredGradNorm } from "./gradient-norm.ts";

const runtime = Runtime.load();
failOnLeaks(runtime);
beforeAll(() => {
  runtime.seed(1);
});

function withGradient(shape: readonly number[], dtype: DType): Parameter {
  const parameter = new Parameter(runtime.zeros(shape, dtype));
  parameter.grad = runtime.randn(shape, dtype).share();
  return parameter;
}

test.each<[DType, number]>([
  ["float32", 1e-6],
  ["float64", 1e-12],
  ["bfloat16", 1e-6],
])("the norm of %s gradients is summed in float64", (dtype, tolerance) => {
  runtime.scope(() => {
    const parameters = [[1000, 1000], [4000], [], [7, 1, 3]].map((shape) => withGradient(shape, dtype));
    const frozen = new Parameter(runtime.ones([2]));
    let exact = 0;
    for (const { grad } of parameters)
      for (const value of runtime.read(grad!) as Float32Array | Float64Array) exact += value * value;
    const baseline = runtime.addon.numTensors();
    expect(Math.abs(squaredGradNorm([...parameters, frozen]) / exact - 1)).toBeLessThan(tolerance);
    expect(runtime.addon.numTensors()).toBe(baseline);
    for (const parameter of [...parameters, frozen]) parameter.dispose();
  });
});

test("a parameter that comes twice counts once and is scaled once", () => {
  using parameter = new Parameter(runtime.zeros([2]));
  parameter.grad = runtime.tensor([3, 4]);
  const tied = [parameter, parameter];
  expect(squaredGradNorm(tied)).toBe(25);
  const factor = clipFactor(squaredGradNorm(tied), 1);
  scaleGradients(tied, factor);
  expect(Math.sqrt(squaredGradNorm(tied))).toBeCloseTo(1, 5);
  expect(clipFactor(squaredGradNorm(tied), 2)).toBe(1);
  expect(squaredGradNorm([])).toBe(0);
});

test("a gradient that is not finite shows in the norm", () => {
  using parameter = new Parameter(runtime.zeros([2, 2]));
  parameter.grad = runtime.tensor([1, Number.NaN, 1, 1], [2, 2]);
  expect(squaredGradNorm([parameter])).toBeNaN();
  expect(clipFactor(Number.NaN, 1)).toBeNaN();
});
