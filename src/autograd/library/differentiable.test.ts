import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { GradientCase } from "../../../test/autograd/gradient-case.ts";
import { checkAgainstOracle } from "../../../test/autograd/oracle.ts";
import { failOnLeaks } from "../../../test/leak-guard.ts";
import type { Argument } from "../../tensor/calls/native-arguments.ts";
import { type Operator, operator } from "../../tensor/native-operator.ts";
import { Runtime } from "../../tensor/runtime.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { Backward, backward, rootOf } from "../backward.ts";
import { checkpoint } from "../checkpoint.ts";
import { noGrad } from "../grad-mode.ts";
import { requiresGrad } from "../graph.ts";
import { where } from "../operators/arithmetic.ts";
import { scale } from "../operators/pointwise.ts";
import { Parameter } from "../parameter.ts";
import { variable } from "../record.ts";
import { gt } from "./comparison.ts";
import { differentiable, differentiableMany } from "./differentiable.ts";

const runtime = Runtime.load();
failOnLeaks(runtime);

const SUM = operator("aten::sum");
const MUL = operator("aten::mul", "Tensor");
const FILL = operator("aten::fill_", "Scalar");

type Arguments = (inputs: readonly Tensor[]) => Argument[];

/** An operator and what to call it with; its first result has a gradient. */
function recordedCase(op: Operator, shapes: number[][], args: Arguments): GradientCase<null> {
  return {
    name: `${op.name}${op.overload && `.${op.overload}`}`,
    setting: fc.constant(null),
    shapes: () => shapes,
    ours: (inputs) => differentiable(op, ...args(inputs)),
    reference: (inputs, _, call) => call(op, ...args(inputs)),
  };
}

const indices = (...values: number[]) => runtime.tensor(values, [values.length], "int64");

describe("has LibTorch's gradients, whole and split", () => {
  test.each([
    recordedCase(operator("aten::cumsum"), [[3, 4]], ([x]) => [x!, 0]),
    recordedCase(operator("aten::sin"), [[2, 3]], ([x]) => [x!]),
    recordedCase(operator("aten::mul", "Tensor"), [[2, 3], [3]], ([x, y]) => [x!, y!]),
    recordedCase(operator("aten::transpose", "int"), [[2, 3]], ([x]) => [x!, 0, 1]),
    recordedCase(operator("aten::select", "int"), [[2, 3]], ([x]) => [x!, 0, 1]),
    recordedCase(operator("aten::expand"), [[1, 3]], ([x]) => [x!, [2, 3]]),
    recordedCase(operator("aten::contiguous"), [[2, 3]], ([x]) => [x!]),
    recordedCase(operator("aten::stack"), [[2], [2], [2]], (inputs) => [inputs, 0]),
    recordedCase(
      operator("aten::einsum"),
      [
        [2, 3],
        [3, 4],
      ],
      (inputs) => ["ij,jk->ik", inputs],
    ),
    recordedCase(operator("aten::index", "Tensor"), [[3, 4]], ([x]) => [x!, [null, indices(1, 1, 2)]]),
    recordedCase(operator("aten::conv2d"), [[2, 3, 5, 5], [4, 3, 3, 3], [4]], ([x, w, b]) => [x!, w!, b!]),
    recordedCase(
      operator("aten::bilinear"),
      [
        [2, 3],
        [2, 4],
        [5, 3, 4],
      ],
      ([x, y, w]) => [x!, y!, w!],
    ),
  ])("$name", (gradientCase) => checkAgainstOracle(runtime, gradientCase, 12));
});

test("a gradient that is zero by its formula has memory", () => {
  runtime.scope(() => {
    const x = runtime.tensor([3, -1, 2]);
    const leaf = variable(x);
    backward(differentiable(operator("aten::sgn"), x), runtime.ones([3]));
    expect(leaf.grad!.toArray()).toEqual([0, 0, 0]);
    leaf.grad!.dispose();
  });
});

test("gradients come in the shape and dtype of each tensor", () => {
  runtime.scope(() => {
    const [x, y] = [
      runtime.tensor([[1, 2, 3]], [1, 3], "float64"),
      runtime.tensor([4, 5], [2, 1], "float32"),
    ];
    const leaves = [x, y].map((each) => variable(each));
    backward(differentiable(MUL, x, y), runtime.ones([2, 3], "float64"));
    expect(leaves.map(({ grad }) => [grad!.dtype, grad!.shape, grad!.toArray()])).toEqual([
      ["float64", [1, 3], [9, 9, 9]],
      ["float32", [2, 1], [6, 6]],
    ]);
    for (const { grad } of leaves) grad!.dispose();
  });
});

test("results that are whole numbers have no gradient, and the others do", () => {
  runtime.scope(() => {
    const x = runtime.tensor([3, 1, 2]);
    const leaf = variable(x);
    const [values, order] = differentiableMany(operator("aten::sort"), x);
    expect(order!.toArray()).toEqual([1, 2, 0]);
    expect(requiresGrad(order!)).toBe(false);
    backward(values!, runtime.tensor([10, 20, 30]));
    expect(leaf.grad!.toArray()).toEqual([30, 10, 20]);
    leaf.grad!.dispose();
  });
});

test("a list of results has a gradient for each that is used", () => {
  runtime.scope(() => {
    const x = runtime.tensor([1, 2, 3, 4]);
    const leaf = variable(x);
    const parts = differentiableMany(operator("aten::split", "Tensor"), x, 2);
    expect(parts).toHaveLength(2);
    backward(parts[1]!, runtime.tensor([5, 6]));
    expect(leaf.grad!.toArray()).toEqual([0, 0, 5, 6]);
    leaf.grad!.dispose();
  });
});

describe("in-place changes", () => {
  test("what the backward reads must not change before it", () => {
    runtime.scope(() => {
      const [x, w] = [runtime.tensor([1, 2]), new Parameter(runtime.tensor([3, 4]))];
      const y = differentiable(MUL, x, w);
      runtime.callInPlace(FILL, x, 7);
      expect(() => backward(y, runtime.ones([2]))).toThrow(
        /backward of aten::mul needs a tensor that aten::fill_ changed in place/,
      );
      w.dispose();
    });
  });

  test("what it does not read may", () => {
    runtime.scope(() => {
      const [x, w] = [runtime.tensor([1, 2]), new Parameter(runtime.tensor([3, 4]))];
      const y = differentiable(operator("aten::add", "Tensor"), x, w);
      runtime.callInPlace(FILL, x, 7);
      backward(y, runtime.ones([2]));
      expect(w.grad!.toArray()).toEqual([1, 1]);
      w.dispose();
    });
  });

  test("a view of an input counts as the input", () => {
    runtime.scope(() => {
      const [x, w] = [runtime.tensor([1, 2]), new Parameter(runtime.tensor([3, 4]))];
      const view = noGrad(runtime, () => differentiable(operator("aten::view"), x, [2, 1]));
      const y = differentiable(MUL, x, w);
      runtime.callInPlace(FILL, view, 7);
      expect(() => backward(y, runtime.ones([2]))).toThrow(/changed in place/);
      w.dispose();
    });
  });
});

describe("memory", () => {
  const MIB = 2 ** 18;
  const liveBytes = () => runtime.addon.memory().liveBytes;

  test("an input that no gradient needs is freed with its last owner", () => {
    const before = liveBytes();
    runtime.scope(() => {
      const w = new Parameter(runtime.ones([1]));
      const root = runtime.scope(() => {
        const x = runtime.randn([MIB]);
        return differentiable(SUM, differentiable(operator("aten::add", "Tensor"), x, w)).share();
      });
      expect(liveBytes() - before).toBeLessThan(MIB);
      root.dispose();
      w.dispose();
    });
  });

  test("what is saved for W stays after I, and is freed after W", () => {
    runtime.scope(() => {
      const [x, w] = [runtime.randn([MIB]), runtime.randn([MIB])];
      const leaf = variable(w);
      const before = liveBytes();
      const y = differentiable(operator("aten::sin"), differentiable(MUL, x, w));
      const walk = new Backward([rootOf(y)!]);
      for (const _ of walk.backwardInputs([y])) expect.fail("nothing waits");
      expect(liveBytes() - before).toBeGreaterThan(2 * 4 * MIB - 1);
      for (const _ of walk.backwardWeights()) expect.fail("nothing waits");
      walk.end();
      leaf.grad!.dispose();
      leaf.grad = null;
      // The results of both calls are still in the scope.
      expect(liveBytes() - before).toBeLessThanOrEqual(2 * 4 * MIB + 4096);
    });
  });

  test("an abandoned graph is freed with its last result", () => {
    runtime.scope(() => {
      const w = new Parameter(runtime.randn([MIB]));
      const before = liveBytes();
      runtime.scope(() => {
        differentiable(operator("aten::exp"), w);
      });
      expect(liveBytes()).toBe(before);
      w.dispose();
    });
  });
});

test("within a checkpoint, the second forward gives the same gradient", () => {
  runtime.scope(() => {
    const w = new Parameter(runtime.randn([4]));
    const compute = (x: Tensor) => differentiable(operator("aten::sin"), differentiable(MUL, x, x));
    backward(differentiable(SUM, compute(w)));
    const plain = w.grad!.toArray();
    w.grad = null;
    backward(differentiable(SUM, checkpoint(compute, w)));
    expect(w.grad!.toArray()).toEqual(plain);
    w.dispose();
  });
});

test("a checkpoint keeps what only a result without a gradient is computed from", () => {
  runtime.scope(() => {
    const w = new Parameter(runtime.ones([4]));
    const y = runtime.scope(() => {
      const limit = runtime.tensor([0, 2, 0, 2]);
      return checkpoint((x) => where(gt(x, limit), scale(x, 3), x), w);
    });
    backward(y, runtime.ones([4]));
    expect(w.grad!.toArray()).toEqual([3, 1, 3, 1]);
    w.dispose();
  });
});

test("a checkpoint keeps what an operator is called with whose result has no gradient", () => {
  runtime.scope(() => {
    const w = new Parameter(runtime.ones([4]));
    const y = runtime.scope(() => {
      const x = runtime.tensor([1, 2, 3, 4]);
      return checkpoint((w) => differentiable(MUL, w, differentiable(operator("aten::floor"), x)), w);
    });
    backward(y, runtime.ones([4]));
    expect(w.grad!.toArray()).toEqual([1, 2, 3, 4]);
    w.dispose();
  });
});
