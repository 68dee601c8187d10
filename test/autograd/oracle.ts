import fc from "fast-check";
import { expect } from "vitest";
import { Backward, type Leaf, markInput, Parameter, rootOf } from "../../src/autograd/index.ts";
import type { DType } from "../../src/tensor/dtype.ts";
import { operator } from "../../src/tensor/native-operator.ts";
import type { Runtime } from "../../src/tensor/runtime.ts";
import { finish } from "../../src/tensor/suspension.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { asList, expectClose, expectElementsClose, type GradientCase, sample } from "./gradient-case.ts";

const CLONE = operator("aten::clone");

/** What an input is to a stage: one of its inputs, with a gradient or without, or a parameter, trained or not. */
export type Role = "input" | "data" | "parameter" | "frozen";

const anyRole: fc.Arbitrary<Role> = fc.constantFrom("input", "parameter", "frozen", "data");

const toleranceOf: Partial<Record<DType, number>> = { float32: 1e-5, float64: 1e-10, bfloat16: 4e-2 };

/** Checks a function against LibTorch's autograd: whole, split, and twice in a row, with inputs in random roles. */
export function checkAgainstOracle<S>(runtime: Runtime, gradientCase: GradientCase<S>, numRuns = 25): void {
  const dtypes = gradientCase.dtypes ?? (["float32", "float64"] as const);
  fc.assert(
    fc.property(
      gradientCase.setting,
      fc.constantFrom(...dtypes),
      fc.integer({ min: 0, max: 2 ** 31 }),
      fc.array(anyRole, { minLength: 8, maxLength: 8 }),
      (setting, dtype, seed, roles) => {
        runtime.seed(seed);
        const before = runtime.addon.numTensors();
        runtime.scope(() => checkOnce(runtime, gradientCase, setting, dtype, roles));
        expect(runtime.addon.numTensors()).toBe(before);
      },
    ),
    { numRuns },
  );
}

function checkOnce<S>(
  runtime: Runtime,
  gradientCase: GradientCase<S>,
  setting: S,
  dtype: DType,
  roles: readonly Role[],
): void {
  const tolerance = toleranceOf[dtype]!;
  const shapes = gradientCase.shapes(setting);
  const values = shapes.map((shape) => sample(runtime, shape, dtype, gradientCase));
  const isWanted = values.map((_, i) => roles[i] === "input" || roles[i] === "parameter");
  const expected = askOracle(runtime, gradientCase, setting, values, isWanted);
  if (!isWanted.includes(true)) return;

  const stage = new StageInputs(runtime, values, roles);
  const outputs = asList(gradientCase.ours(stage.tensors, setting));
  outputs.forEach((output, i) => {
    expect(output.shape).toEqual(expected.outputs[i]!.shape);
    expectClose(output, expected.outputs[i]!.elements, tolerance, `output ${i}`);
  });
  const whole = stage.backward(outputs, expected.outputGradients, false);
  whole.forEach((gradient, i) => {
    const other = expected.gradients[i] ?? null;
    if (gradient !== null || other !== null)
      expect(gradient, `gradient of input ${i} (${roles[i]})`).not.toBeNull();
    if (gradient !== null)
      expectElementsClose(
        gradient,
        other ?? new Array<number>(gradient.length).fill(0),
        tolerance,
        `input ${i}`,
      );
  });
  const twice = stage.backward(
    asList(gradientCase.ours(stage.tensors, setting)),
    expected.outputGradients,
    false,
  );
  twice.forEach((gradient, i) => {
    if (gradient === null) return;
    const double = whole[i]!.map((x) => 2 * x);
    expectElementsClose(gradient, double, tolerance, `two micro-batches, input ${i}`);
  });
  stage.end();

  const again = new StageInputs(runtime, values, roles);
  const split = again.backward(
    asList(gradientCase.ours(again.tensors, setting)),
    expected.outputGradients,
    true,
  );
  expect(split).toEqual(whole);
  again.end();
}

/** The inputs of a function in their roles, and where their gradients arrive. */
class StageInputs {
  readonly tensors: Tensor[];
  readonly #runtime: Runtime;
  readonly #roles: readonly Role[];
  readonly #leaves: (Leaf | Parameter | undefined)[] = [];

  constructor(runtime: Runtime, values: readonly Tensor[], roles: readonly Role[]) {
    this.#runtime = runtime;
    this.#roles = roles;
    this.tensors = values.map((value, i) => {
      const copy = runtime.call(CLONE, value);
      switch (roles[i]!) {
        case "input":
          this.#leaves[i] = markInput(copy, true);
          return copy;
        case "data":
          markInput(copy, false);
          return copy;
        case "parameter": {
          const parameter = new Parameter(copy);
          this.#leaves[i] = parameter;
          return parameter;
        }
        case "frozen":
          return new Parameter(copy, false);
        default:
          return roles[i] as never;
      }
    });
  }

  /**
   * The gradients of all inputs so far, after a whole backward, or after an I, which must leave weights alone,
   * and a W.
   */
  backward(
    outputs: readonly Tensor[],
    outputGradients: readonly Tensor[],
    isSplit: boolean,
  ): (number[] | null)[] {
    const reached = outputs.map((output, i) => ({ root: rootOf(output), gradient: outputGradients[i]! }));
    const used = reached.filter(({ root }) => root !== null);
    const walk = new Backward(used.map(({ root }) => root!));
    const gradients = used.map(({ gradient }) => gradient);
    this.#runtime.scope(() => {
      if (isSplit) {
        const before = this.#read();
        finish(walk.backwardInputs(gradients));
        const between = this.#read();
        this.#roles.forEach((role, i) => {
          if (role === "parameter" && i < this.tensors.length) expect(between[i]).toEqual(before[i]);
        });
        for (const output of outputs) output.dispose();
        finish(walk.backwardWeights());
        const after = this.#read();
        this.#roles.forEach((role, i) => {
          if (role === "input" && i < this.tensors.length) expect(after[i]).toEqual(between[i]);
        });
      } else {
        finish(walk.backward(gradients));
      }
    });
    walk.end();
    return this.#read();
  }

  end(): void {
    this.tensors.forEach((tensor, i) => {
      const leaf = this.#leaves[i];
      if (leaf !== undefined && !(leaf instanceof Parameter)) leaf.grad?.dispose();
      tensor.dispose();
    });
  }

  #read(): (number[] | null)[] {
    return this.tensors.map((_, i) => this.#leaves[i]?.grad?.toArray() ?? null);
  }
}

interface Expected {
  readonly outputs: readonly { shape: readonly number[]; elements: number[] }[];
  readonly outputGradients: readonly Tensor[];
  readonly gradients: readonly (number[] | null)[];
}

function askOracle<S>(
  runtime: Runtime,
  gradientCase: GradientCase<S>,
  setting: S,
  values: readonly Tensor[],
  isWanted: readonly boolean[],
): Expected {
  const { oracle } = runtime.addon;
  const leaves = values.map((value) => runtime.call(CLONE, value));
  leaves.forEach((leaf, i) => {
    if (isWanted[i]) oracle.requireGradient(leaf.handle);
  });
  oracle.enable(true);
  let outputs: readonly Tensor[];
  try {
    outputs = asList(gradientCase.reference(leaves, setting, (op, ...args) => runtime.call(op, ...args)));
  } finally {
    oracle.enable(false);
  }
  const outputGradients = outputs.map((output) => runtime.randn(output.shape, output.dtype));
  // An output that no wanted input reaches has no graph to ask.
  const reached = outputs.flatMap((output, i) =>
    oracle.hasGradient(output.handle) ? [[output, outputGradients[i]!] as const] : [],
  );
  const wanted = leaves.filter((_, i) => isWanted[i]);
  const found =
    wanted.length === 0 || reached.length === 0
      ? wanted.map(() => null)
      : oracle.gradients(
          reached.map(([output]) => output.handle),
          wanted.map((leaf) => leaf.handle),
          reached.map(([, gradient]) => gradient.handle),
        );
  const byInput = isWanted.map((wants) => {
    const handle = wants ? found.shift()! : null;
    return handle === null ? null : runtime.adoptHandle(handle).toArray();
  });
  return {
    outputs: outputs.map((output) => ({ shape: output.shape, elements: output.toArray() })),
    outputGradients,
    gradients: byInput,
  };
}
