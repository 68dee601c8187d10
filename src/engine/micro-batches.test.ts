import { expect, test } from "vitest";
import { failOnLeaks } from "../../test/leak-guard.ts";
import { operator } from "../tensor/native-operator.ts";
import { Runtime } from "../tensor/runtime.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { gather, scatter } from "./micro-batches.ts";

const TENSOR_SPLIT = operator("aten::tensor_split", "sections");
const runtime = Runtime.load();
failOnLeaks(runtime);

const numbered = (shape: readonly number[]): Tensor =>
  runtime.tensor(
    Array.from({ length: shape.reduce((product, size) => product * size, 1) }, (_, i) => i),
    shape,
  );
const describeTensor = (tensor: Tensor | null) =>
  tensor && { shape: tensor.shape, elements: tensor.toArray() };

test.each([
  [[8, 3], 4, 0],
  [[7, 3], 3, 0],
  [[3, 11, 2], 4, 1],
  [[2, 5], 5, -1],
] as const)(
  "a tensor of the shape %s is cut into %i along dimension %i as by tensor_split",
  (shape, n, dim) => {
    runtime.scope(() => {
      const tensor = numbered(shape);
      const expected = runtime.callMany(TENSOR_SPLIT, tensor, n, dim);
      const parts = scatter([tensor], n, dim);
      expect(parts.map(([part]) => describeTensor(part!))).toEqual(expected.map(describeTensor));
      expect(describeTensor(gather(parts, dim)[0]!)).toEqual(describeTensor(tensor));
      for (const [part] of parts) part!.dispose();
    });
  },
);

test("several tensors are cut the same way, and an absent one is absent in each micro-batch", () => {
  runtime.scope(() => {
    const [a, b] = [numbered([5, 2]), numbered([5])];
    const parts = scatter([a, null, b], 2, 0);
    expect(parts.map((part) => part.map((tensor) => tensor?.shape ?? null))).toEqual([
      [[3, 2], null, [3]],
      [[2, 2], null, [2]],
    ]);
    expect(gather(parts, 0).map(describeTensor)).toEqual([a, null, b].map(describeTensor));
    for (const part of parts) for (const tensor of part) tensor?.dispose();
  });
});

test.each([
  [[2, 9], 3, 0, "a tensor of the shape [2,9] cannot be cut into 3 micro-batches along dimension 0"],
  [[4], 2, 1, "a tensor of the shape [4] cannot be cut into 2 micro-batches along dimension 1"],
] as const)("%s into %i along %i is refused, and nothing is left behind", (shape, n, dim, message) => {
  runtime.scope(() => {
    const good = numbered([6, 6]);
    const bad = numbered(shape);
    const before = runtime.addon.numTensors();
    expect(() => scatter([good, bad], n, dim)).toThrow(message);
    expect(runtime.addon.numTensors()).toBe(before);
  });
});
