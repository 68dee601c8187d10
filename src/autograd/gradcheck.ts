/**
 * A test for gradient rules: each gradient against the slope that it claims to be, and each split backward
 * against the whole one.
 *
 * The outputs are multiplied by fixed random weights and added up, so that one backward checks all of them. In
 * float64, the slope `(f(x + h) - f(x - h)) / 2h` is right to about eight digits, and a wrong rule is off by far
 * more. Each input takes the role of a stage's input and of a weight, in several mixtures: a rule may be right in
 * one walk, and give a gradient in the wrong half or use a tensor that is freed in between.
 */
import { isFloatingPoint } from "../tensor/dtype.ts";
import * as kernels from "../tensor/kernels/index.ts";
import type { Runtime } from "../tensor/runtime.ts";
import { finish } from "../tensor/suspension.ts";
import { Tensor } from "../tensor/tensor.ts";
import { AutogradError } from "./autograd-error.ts";
import { Backward, rootOf } from "./backward.ts";
import { enableGrad, noGrad } from "./grad-mode.ts";
import type { Leaf } from "./graph.ts";
import { markInput, variable } from "./record.ts";

export interface GradcheckOptions {
  /** How far each element is moved to both sides; 1e-6 if not given. */
  readonly step?: number | undefined;
  /** A gradient may differ from the slope by this, 1e-5 if not given, ... */
  readonly absoluteTolerance?: number | undefined;
  /** ... and by this times the slope, 1e-3 if not given. */
  readonly relativeTolerance?: number | undefined;
}

type Compute = (...inputs: Tensor[]) => Tensor | readonly Tensor[];

/**
 * Checks that the backward of a function gives its slopes, whole and split into I and W.
 * @param compute May draw random numbers: it gets the same ones each time.
 * @param inputs A few elements each, because the function runs twice for each. Floating-point inputs are converted
 *   to float64; others, such as indices, get no gradient.
 * @throws AutogradError that names the input, the element, the gradient and the slope
 * @example
 * gradcheck((x, w) => mm(x, w), [runtime.randn([2, 3]), runtime.randn([3, 4])]);
 */
export function gradcheck(compute: Compute, inputs: readonly Tensor[], options: GradcheckOptions = {}): void {
  if (inputs.length === 0)
    throw new AutogradError("NO_GRADIENT", "gradcheck needs at least one input; got none");
  const { runtime } = inputs[0]!;
  runtime.scope(() => new Check(runtime, compute, inputs, options).run());
}

class Check {
  readonly #runtime: Runtime;
  readonly #compute: Compute;
  readonly #values: readonly Tensor[];
  readonly #isChecked: readonly boolean[];
  readonly #step: number;
  readonly #absoluteTolerance: number;
  readonly #relativeTolerance: number;
  readonly #randomState: Tensor;
  /** For each output, the factor of each element in the sum whose slope is checked. */
  #weights: readonly Tensor[] = [];

  constructor(
    runtime: Runtime,
    compute: Compute,
    inputs: readonly Tensor[],
    { step = 1e-6, absoluteTolerance = 1e-5, relativeTolerance = 1e-3 }: GradcheckOptions,
  ) {
    this.#runtime = runtime;
    this.#compute = compute;
    this.#isChecked = inputs.map(({ dtype }) => isFloatingPoint(dtype));
    this.#values = inputs.map((input, i) => (this.#isChecked[i] ? kernels.toDtype(input, "float64") : input));
    this.#step = step;
    this.#absoluteTolerance = absoluteTolerance;
    this.#relativeTolerance = relativeTolerance;
    this.#randomState = runtime.randomState();
  }

  run(): void {
    const runtime = this.#runtime;
    try {
      const outputs = noGrad(runtime, () => this.#outputsOf(this.#values));
      this.#weights = outputs.map(({ shape }) => runtime.randn(shape, "float64"));
      const slopes = this.#values.map((_, input) => (this.#isChecked[input] ? this.#slopesOf(input) : []));
      for (const isStageInput of this.#roles()) this.#checkRoles(isStageInput, slopes);
    } finally {
      runtime.setRandomState(this.#randomState);
    }
  }

  #outputsOf(values: readonly Tensor[]): readonly Tensor[] {
    this.#runtime.setRandomState(this.#randomState);
    const outputs = this.#compute(...values);
    return (outputs instanceof Tensor ? [outputs] : outputs).filter(({ dtype }) => isFloatingPoint(dtype));
  }

  #slopesOf(input: number): number[] {
    const value = this.#values[input]!;
    const elements = value.toArray();
    return elements.map((element, i) => {
      const at = (x: number) => this.#sumAt(input, elements.with(i, x));
      return (at(element + this.#step) - at(element - this.#step)) / (2 * this.#step);
    });
  }

  /** The weighted sum of all outputs, with these elements in one input. */
  #sumAt(input: number, elements: readonly number[]): number {
    const runtime = this.#runtime;
    return runtime.scope(() => {
      const moved = runtime.tensor(elements, this.#values[input]!.shape, "float64");
      const outputs = noGrad(runtime, () => this.#outputsOf(this.#values.with(input, moved)));
      return outputs.reduce(
        (sum, output, i) => sum + kernels.sum(kernels.mul(output, this.#weights[i]!), null).item(),
        0,
      );
    });
  }

  /** Which inputs are a stage's, in each check; the others are weights. */
  #roles(): ((input: number) => boolean)[] {
    const uniform = [() => true, () => false];
    const mixed = [(input: number) => input % 2 === 0, (input: number) => input % 2 === 1];
    return this.#values.length === 1 ? uniform : [...uniform, ...mixed];
  }

  #checkRoles(isStageInput: (input: number) => boolean, slopes: readonly number[][]): void {
    const whole = this.#gradients(isStageInput, false);
    const split = this.#gradients(isStageInput, true);
    slopes.forEach((expected, input) => {
      if (!this.#isChecked[input]) return;
      const role = isStageInput(input) ? "a stage's input" : "a weight";
      this.#compare(`input ${input} as ${role}`, whole[input] ?? null, expected);
      const other = split[input] ?? null;
      const differs = expected.findIndex((_, i) => !Object.is(other?.[i], whole[input]?.[i]));
      if (differs >= 0)
        throw wrong(
          `the gradient of input ${input} as ${role}, element ${differs}, is ${whole[input]?.[differs]} in a whole backward ` +
            `and ${other?.[differs] ?? "missing"} in one that is split; compute each gradient whenever it is wanted, from saved tensors alone`,
        );
    });
  }

  #compare(which: string, gradient: readonly number[] | null, slopes: readonly number[]): void {
    slopes.forEach((slope, i) => {
      const tolerance = this.#absoluteTolerance + this.#relativeTolerance * Math.abs(slope);
      if (Math.abs((gradient?.[i] ?? 0) - slope) <= tolerance) return;
      if (gradient === null)
        throw wrong(
          `no gradient arrives at ${which}, but the outputs change with its element ${i} (slope ${slope}); record each operator on the way`,
        );
      throw wrong(
        `the gradient of ${which}, element ${i}, is ${gradient[i]}, and the slope is ${slope}; correct the rule of the function`,
      );
    });
  }

  /** The gradient of each input after a whole backward or one in two halves; null where none arrived. */
  #gradients(isStageInput: (input: number) => boolean, isSplit: boolean): (number[] | null)[] {
    const runtime = this.#runtime;
    return runtime.scope(() => {
      const copies = this.#values.map((value) => kernels.clone(value));
      const leaves = copies.map((copy, i): Leaf | undefined => {
        if (isStageInput(i)) return markInput(copy, this.#isChecked[i]!);
        return this.#isChecked[i] ? variable(copy) : undefined;
      });
      const outputs = enableGrad(runtime, () => this.#outputsOf(copies));
      const roots = outputs.map((output) => rootOf(output));
      const walk = new Backward(roots.filter((root) => root !== null));
      const weights = this.#weights.filter((_, i) => roots[i]);
      try {
        if (isSplit) {
          finish(walk.backwardInputs(weights));
          finish(walk.backwardWeights());
        } else {
          finish(walk.backward(weights));
        }
        return leaves.map((leaf) => leaf?.grad?.toArray() ?? null);
      } finally {
        walk.end();
        for (const leaf of leaves) leaf?.grad?.dispose();
      }
    });
  }
}

function wrong(problem: string): AutogradError {
  return new AutogradError("GRADIENT_WRONG", `gradcheck: ${problem}`);
}
