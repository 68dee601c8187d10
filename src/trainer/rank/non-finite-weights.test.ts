import { expect, test } from "vitest";
import { Parameter } from "../../autograd/parameter.ts";
import { AdamW } from "../../optim/adamw.ts";
import type { DType } from "../../tensor/dtype.ts";
import { Runtime } from "../../tensor/runtime.ts";
import { InProcessGroup } from "../../transport/in-process/in-process-group.ts";
import { CopyBuffer } from "../checkpoint/copy-buffer.ts";
import type { RankState } from "../checkpoint/rank-part.ts";
import { checkFiniteWeights } from "./non-finite-weights.ts";

const runtime = Runtime.load();
const group = new InProcessGroup(runtime, { name: "finite", rank: 0, size: 1 });
const LARGEST = 3e38;

function stateOf(numbers: readonly number[], dtype: DType): RankState {
  const weight = new Parameter(runtime.tensor(numbers, undefined, dtype));
  const owned = [["layer.weight", weight]] as const;
  const optimizer = new AdamW(owned, { learningRate: 0 });
  weight.grad = runtime.tensor(
    numbers.map(() => 1),
    undefined,
    dtype,
  );
  optimizer.step();
  optimizer.zeroGrad();
  return { runtime, rank: 0, parameters: owned, owned, optimizer, copies: new CopyBuffer() };
}

test.each(["float32", "bfloat16", "float64"] as const)(
  "a weight of %s that is not finite is named",
  (dtype) => {
    runtime.scope(() => {
      checkFiniteWeights(group, 7, stateOf([LARGEST, -LARGEST], dtype), 1);
      for (const number of [Number.NaN, Number.NEGATIVE_INFINITY])
        expect(() => checkFiniteWeights(group, 7, stateOf([1, number], dtype), 1)).toThrow(
          "after step 7, layer.weight has numbers that are infinite or NaN",
        );
    });
  },
);

test("so is the optimizer's state", () => {
  runtime.scope(() => {
    const state = stateOf([1, 2], "float32");
    const slots = state.optimizer.stateDict();
    const [name] = Object.keys(slots).filter((key) => key !== "layer.weight.step");
    state.optimizer.loadStateDict({ ...slots, [name!]: runtime.tensor([1, Number.NaN]) });
    expect(() => checkFiniteWeights(group, 7, state, 1)).toThrow(
      `after step 7, optimizer/${name} has numbers`,
    );
  });
});

test("a loss that is not finite is an error, too", () => {
  runtime.scope(() => {
    expect(() => checkFiniteWeights(group, 7, stateOf([1], "float32"), Number.POSITIVE_INFINITY)).toThrow(
      "after step 7, the loss of the next batch is Infinity",
    );
  });
});
