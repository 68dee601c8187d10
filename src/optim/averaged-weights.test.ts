import { expect, test } from "vitest";
import { failOnLeaks } from "../../test/leak-guard.ts";
import { Parameter } from "../autograd/parameter.ts";
import { OptionError } from "../errors/option-error.ts";
import { StateDictError } from "../nn/state-dict.ts";
import * as kernels from "../tensor/kernels/index.ts";
import { Runtime } from "../tensor/runtime.ts";
import { AveragedWeights } from "./averaged-weights.ts";

const runtime = Runtime.load();
failOnLeaks(runtime);

test("the average starts as the weights and follows them by its decay", () => {
  using weight = new Parameter(runtime.tensor([1, 2]));
  using average = new AveragedWeights([["w", weight]], { decay: 0.75 });
  expect(average.stateDict().w!.toArray()).toEqual([1, 2]);
  kernels.fillScalar_(weight, 5);
  average.update();
  expect(average.stateDict().w!.toArray()).toEqual([2, 2.75]);
});

test("bfloat16 weights have a float32 average, which changes by less than their rounding", () => {
  using weight = new Parameter(runtime.ones([1], "bfloat16"));
  using average = new AveragedWeights([["w", weight]], { decay: 0.999 });
  kernels.fillScalar_(weight, 2);
  average.update();
  expect(average.stateDict().w!.dtype).toBe("float32");
  expect(average.stateDict().w!.item()).toBeCloseTo(1.001, 6);
});

test("during a body the weights are the averages, and afterwards their own, also after an error", () => {
  using weight = new Parameter(runtime.tensor([4]));
  using tied = new Parameter(runtime.tensor([7]));
  const names = [
    ["w", weight],
    ["t", tied],
    ["again", tied],
  ] as const;
  using average = new AveragedWeights(names, { decay: 0.5 });
  kernels.fillScalar_(weight, 8);
  average.update();
  expect(average.during(() => weight.item())).toBe(6);
  expect(weight.item()).toBe(8);
  const body = () =>
    average.during(() => {
      throw new Error("no");
    });
  expect(body).toThrow("no");
  expect(weight.item()).toBe(8);
  expect(Object.keys(average.stateDict())).toEqual(["w", "again"]);
});

test("a state is copied, and one that does not fit changes nothing", () => {
  using weight = new Parameter(runtime.tensor([1, 1]));
  using average = new AveragedWeights([["w", weight]]);
  using saved = runtime.tensor([3, 4]);
  using large = runtime.ones([3]);
  average.loadStateDict({ w: saved });
  expect(average.stateDict().w!.toArray()).toEqual([3, 4]);
  expect(() => average.loadStateDict({ w: large, v: saved })).toThrow(StateDictError);
  expect(() => average.loadStateDict({})).toThrow("missing: w");
  expect(average.stateDict().w!.toArray()).toEqual([3, 4]);
  expect(() => new AveragedWeights([], { decay: 1 })).toThrow(OptionError);
});
