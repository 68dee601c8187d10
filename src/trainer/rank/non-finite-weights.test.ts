import { expect, test } from "vitest";
import { Parameter } from "../../autograd/parameter.ts";
import { ModuleBuffer } from "../../nn/module-buffer.ts";
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
  const model = { parameters: owned, owned, buffers: [], ownedBuffers: [] };
  return { ...model, runtime, rank: 0, optimizer, copies: new CopyBuffer() };
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

test("a buffer may have infinities, as a mask does, but no NaN", () => {
  runtime.scope(() => {
    const withMask = (numbers: readonly number[]): RankState => {
      const empty = new ModuleBuffer(runtime.zeros([0]));
      const count = new ModuleBuffer(runtime.ones([], "int32"));
      const mask = new ModuleBuffer(runtime.tensor(numbers));
      const ownedBuffers = [["empty", empty] as const, ["count", count] as const, ["mask", mask] as const];
      return { ...stateOf([1], "float32"), buffers: ownedBuffers, ownedBuffers };
    };
    checkFiniteWeights(group, 7, withMask([0, Number.NEGATIVE_INFINITY]), 1);
    expect(() => checkFiniteWeights(group, 7, withMask([Number.NEGATIVE_INFINITY, Number.NaN]), 1)).toThrow(
      "after step 7, buffer/mask has numbers that are NaN",
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
