import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkFiniteDifferences } from "../../../test/autograd/finite-differences.ts";
import type { GradientCase } from "../../../test/autograd/gradient-case.ts";
import { checkAgainstOracle } from "../../../test/autograd/oracle.ts";
import { shapeOf } from "../../../test/autograd/shapes.ts";
import { failOnLeaks } from "../../../test/leak-guard.ts";
import { ShapeError } from "../../tensor/errors.ts";
import { operator } from "../../tensor/native-operator.ts";
import { Runtime } from "../../tensor/runtime.ts";
import { backward } from "../backward.ts";
import { variable } from "../record.ts";
import { mul } from "./arithmetic.ts";
import { cat, stack } from "./join.ts";
import { sum } from "./reduction.ts";
import { chunk, narrow, select, slice, split } from "./slice.ts";

const runtime = Runtime.load();
failOnLeaks(runtime);

interface Setting {
  readonly shape: readonly number[];
  readonly dim: number;
  /** A range of that dimension that is not empty. */
  readonly start: number;
  readonly end: number;
  readonly step: number;
}

const settings: fc.Arbitrary<Setting> = shapeOf(1, 3).chain((shape) =>
  fc.integer({ min: -shape.length, max: shape.length - 1 }).chain((dim) => {
    const size = shape.at(dim)!;
    return fc
      .tuple(
        fc.integer({ min: 0, max: size - 1 }),
        fc.integer({ min: 1, max: size }),
        fc.integer({ min: 1, max: 2 }),
      )
      .map(([start, length, step]) => ({ shape, dim, start, end: Math.min(size, start + length), step }));
  }),
);

const cases: GradientCase<Setting>[] = [
  {
    name: "slice",
    setting: settings,
    shapes: ({ shape }) => [shape],
    ours: ([x], { dim, start, end, step }) => slice(x!, dim, start, end, step),
    reference: ([x], { dim, start, end, step }, call) =>
      call(operator("aten::slice", "Tensor"), x!, dim, start, end, step),
  },
  {
    name: "narrow",
    setting: settings,
    shapes: ({ shape }) => [shape],
    ours: ([x], { dim, start, end }) => narrow(x!, dim, start, end - start),
    reference: ([x], { dim, start, end }, call) =>
      call(operator("aten::narrow"), x!, dim, start, end - start),
  },
  {
    name: "select",
    setting: settings,
    shapes: ({ shape }) => [shape],
    ours: ([x], { dim, start }) => select(x!, dim, start),
    reference: ([x], { dim, start }, call) => call(operator("aten::select", "int"), x!, dim, start),
  },
  {
    name: "split",
    setting: settings,
    shapes: ({ shape }) => [shape],
    ours: ([x], { dim, end }) => split(x!, end, dim),
    reference: ([x], { dim, end, shape }, call) => {
      const numParts = Math.ceil(shape.at(dim)! / end);
      return Array.from({ length: numParts }, (_, i) =>
        call(operator("aten::slice", "Tensor"), x!, dim, i * end, (i + 1) * end, 1),
      );
    },
  },
  {
    name: "cat",
    setting: settings,
    shapes: ({ shape, dim, end }) => [shape, shape.with(dim, end), shape],
    ours: (tensors, { dim }) => cat(tensors, dim),
    reference: (tensors, { dim }, call) => call(operator("aten::cat"), tensors, dim),
  },
  {
    name: "stack",
    setting: settings,
    shapes: ({ shape }) => [shape, shape],
    ours: (tensors, { dim }) => stack(tensors, dim),
    reference: (tensors, { dim }, call) => call(operator("aten::stack"), tensors, dim),
  },
];

describe.each(cases)("$name", (gradientCase) => {
  test("has LibTorch's gradients, whole and split", () => checkAgainstOracle(runtime, gradientCase));
  test("has the gradients of finite differences", () => checkFiniteDifferences(runtime, gradientCase));
});

test("a part of a split without a gradient counts as 0", () => {
  runtime.scope(() => {
    const x = runtime.arange(6);
    const y = runtime.tensor(x.toArray(), [6], "float64");
    const leaf = variable(y);
    const [, middle] = split(y, [1, 2, 3]);
    backward(sum(middle!));
    expect(leaf.grad?.toArray()).toEqual([0, 1, 1, 0, 0, 0]);
    leaf.grad?.dispose();
  });
});

test.each([cat, stack])("%o of more tensors than a node has edges", (join) => {
  runtime.scope(() => {
    const tensors = Array.from({ length: 100 }, (_, i) => runtime.full([1], i, "float64"));
    const leaves = tensors.slice(0, 50).map((tensor) => variable(tensor));
    const joined = join(tensors);
    expect(joined.toArray()).toEqual(tensors.map((_, i) => i));
    const factors = runtime.tensor(
      tensors.map((_, i) => i * i),
      joined.shape,
      "float64",
    );
    backward(sum(mul(joined, factors)));
    leaves.forEach((leaf, i) => {
      expect(leaf.grad?.item()).toBe(i * i);
      leaf.grad?.dispose();
    });
  });
});

test("chunk makes at most as many parts as asked for", () => {
  runtime.scope(() => {
    expect(chunk(runtime.ones([7, 2]), 3).map(({ shape }) => shape[0])).toEqual([3, 3, 1]);
    expect(chunk(runtime.ones([2, 5]), 4, 1).map(({ shape }) => shape[1])).toEqual([2, 2, 1]);
  });
});

test.each([
  ["split", () => split(runtime.ones([4]), [1, 2])],
  ["split", () => split(runtime.ones([4]), 0)],
  ["narrow", () => narrow(runtime.ones([4]), 0, 3, 2)],
  ["cat", () => cat([])],
])("%s with sizes that do not fit is a ShapeError", (name, run) => {
  runtime.scope(() => {
    expect(run).toThrow(ShapeError);
    expect(run).toThrow(`dualpipe: ${name}:`);
  });
});
