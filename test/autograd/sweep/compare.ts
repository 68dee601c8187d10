/**
 * One operator by name: does it have the gradient that LibTorch's own autograd gives it?
 *
 * "LibTorch differentiates an operator with these arguments" means: called above LibTorch's autograd, with floating
 * tensors that require a gradient, it returns a result that requires one, and the backward of that result succeeds.
 * A schema cannot say that: some operators have a kernel above autograd that only says that there is no gradient, or
 * that refuses in the backward. Complex results are seen as pairs of real numbers.
 */
import {
  Backward,
  differentiable,
  differentiableMany,
  markInput,
  rootOf,
  variable,
} from "../../../src/autograd/index.ts";
import type { NativeSchema } from "../../../src/native/addon.ts";
import { type Argument, toNative } from "../../../src/tensor/calls/native-arguments.ts";
import { tensorsOf } from "../../../src/tensor/calls/recording.ts";
import { type Operator, operator } from "../../../src/tensor/native-operator.ts";
import type { Runtime } from "../../../src/tensor/runtime.ts";
import { finish } from "../../../src/tensor/suspension.ts";
import { Tensor } from "../../../src/tensor/tensor.ts";

/** What came of one operator. */
export type Outcome =
  /** It has LibTorch's gradients: bit for bit, or but for the rounding of a sum in another order. */
  | { readonly kind: "agrees"; readonly isExact: boolean }
  | { readonly kind: "differs"; readonly problem: string }
  /** LibTorch gives a gradient, and we refuse the call. */
  | { readonly kind: "refused"; readonly problem: string }
  /** LibTorch gives none with any of the arguments that it took. */
  | { readonly kind: "no gradient"; readonly problem: string }
  /** LibTorch took none of the arguments; the problem is that of the first. */
  | { readonly kind: "no arguments"; readonly problem: string };

/** Complex numbers as pairs of real ones, with a conjugation that was put off. */
const PAIRS = [operator("aten::resolve_conj"), operator("aten::view_as_real")];
const FLOATS = [5, 6, 7, 15];
const COMPLEX = [8, 9, 10];
const TOLERANCE = 1e-9;
/** The random numbers of an operator that takes a generator are then the same for LibTorch and for us. */
const SEED = 1;

/** Tries an operator with each of the arguments until LibTorch differentiates one call, and compares that with ours. */
export function compareOperator(
  runtime: Runtime,
  schema: NativeSchema,
  candidates: Iterable<readonly Argument[]>,
): Outcome {
  const called = new Called(runtime, schema);
  let none: Outcome = { kind: "no arguments", problem: "no arguments can be made of its schema" };
  let isFirst = true;
  for (const args of candidates) {
    const tried = runtime.scope(() => tryArguments(called, args));
    if (tried.kind !== "no gradient" && tried.kind !== "no arguments") return tried;
    if (isFirst || (none.kind === "no arguments" && tried.kind === "no gradient")) none = tried;
    isFirst = false;
  }
  return none;
}

/** An operator, and a call of it that takes its results as they come. */
class Called {
  readonly runtime: Runtime;
  readonly op: Operator;
  #number: number | undefined;

  constructor(runtime: Runtime, schema: NativeSchema) {
    this.runtime = runtime;
    this.op = operator(schema.name, schema.overload);
  }

  /** All results in one list, those of a list among them. */
  call(args: readonly Argument[]): (Tensor | null)[] {
    const { addon } = this.runtime;
    const native = [...args];
    this.#number ??= addon.op(this.op.name, this.op.overload);
    const result = addon.call(this.#number + toNative(this.op, native), ...(native as never[]));
    return [result]
      .flat(3)
      .map((handle) => (handle === null ? null : this.runtime.adoptHandle(handle as number)));
  }
}

function tryArguments(called: Called, args: readonly Argument[]): Outcome {
  const isFloat = tensorsOf(args).map((tensor) => tensor !== null && hasCode(tensor, FLOATS));
  const onlyFirst = isFloat.map((each, i) => each && isFloat.indexOf(true) === i);
  let expected = askLibTorch(called, args, isFloat);
  if (expected.kind !== "gradients" && isFloat.filter(Boolean).length > 1) {
    const ofFirst = askLibTorch(called, args, onlyFirst);
    if (ofFirst.kind === "gradients") expected = ofFirst;
  }
  return expected.kind === "gradients" ? compareOurs(called, args, expected) : expected;
}

interface Expected {
  readonly kind: "gradients";
  /** Which of the tensors among the arguments have a gradient. */
  readonly isWanted: readonly boolean[];
  /** The positions of the results with a gradient, and the gradients that their backward started with. */
  readonly seeds: ReadonlyMap<number, Tensor>;
  readonly results: readonly (readonly number[] | null)[];
  readonly gradients: readonly (readonly number[] | null)[];
}

/** The same arguments with each tensor replaced by a clone. */
function cloned(runtime: Runtime, args: readonly Argument[]): Argument[] {
  const clone = (tensor: Tensor) =>
    runtime.fromArray(tensor.runtime.read(tensor), tensor.shape, tensor.dtype);
  return args.map((argument) => {
    if (argument instanceof Tensor) return clone(argument);
    if (!Array.isArray(argument)) return argument;
    return argument.map((each) => (each instanceof Tensor ? clone(each) : each)) as Argument;
  });
}

function askLibTorch(
  called: Called,
  original: readonly Argument[],
  isWanted: readonly boolean[],
): Expected | Outcome {
  const { runtime } = called;
  const { oracle } = runtime.addon;
  const args = cloned(runtime, original);
  const leaves = tensorsOf(args);
  leaves.forEach((leaf, i) => {
    if (isWanted[i]) oracle.requireGradient(leaf!.handle);
  });
  let results: (Tensor | null)[];
  runtime.seed(SEED);
  oracle.enable(true);
  try {
    results = called.call(args).map((result) => asPairs(result, (op, x) => runtime.call(op, x)));
  } catch (error) {
    return { kind: "no arguments", problem: (error as Error).message };
  } finally {
    oracle.enable(false);
  }
  const reached = [...results.entries()].filter(
    ([, result]) => result !== null && hasCode(result, FLOATS) && oracle.hasGradient(result.handle),
  );
  if (reached.length === 0) return { kind: "no gradient", problem: "no result has one" };
  try {
    const seeds = new Map(reached.map(([i, result]) => [i, runtime.randn(result!.shape, result!.dtype)]));
    const found = oracle.gradients(
      reached.map(([, result]) => result!.handle),
      leaves.flatMap((leaf, i) => (isWanted[i] ? [leaf!.handle] : [])),
      [...seeds.values()].map(({ handle }) => handle),
    );
    const gradients = isWanted.map((wants) => {
      const handle = wants ? found.shift()! : null;
      return handle === null ? null : runtime.adoptHandle(handle).toArray();
    });
    const values = results.map((result, i) => (seeds.has(i) ? result!.toArray() : null));
    return { kind: "gradients", isWanted, seeds, results: values, gradients };
  } catch (error) {
    return { kind: "no gradient", problem: (error as Error).message };
  }
}

function hasCode(tensor: Tensor, codes: readonly number[]): boolean {
  return codes.includes(tensor.runtime.addon.dtype(tensor.handle));
}

function asPairs(result: Tensor | null, apply: (op: Operator, x: Tensor) => Tensor): Tensor | null {
  if (result === null || !hasCode(result, COMPLEX)) return result;
  return PAIRS.reduce((complex, op) => apply(op, complex), result);
}

function compareOurs({ runtime, op }: Called, args: readonly Argument[], expected: Expected): Outcome {
  let isExact = true;
  for (const isSplit of [false, true]) {
    try {
      const problem = runtime.scope(() => {
        const { results, gradients } = ours(runtime, op, args, expected, isSplit);
        const pairs = [
          ...results.map((each, i) => [`result ${i}`, each, expected.results[i]] as const),
          ...gradients.map(
            (each, i) => [`the gradient of tensor ${i}`, each, expected.gradients[i]] as const,
          ),
        ];
        for (const [what, actual, wanted] of pairs) {
          const error = errorOf(actual ?? null, wanted ?? null);
          if (error > TOLERANCE) return `${what} is off by ${error}, ${isSplit ? "split" : "whole"}`;
          isExact &&= error === 0;
        }
        return undefined;
      });
      if (problem !== undefined) return { kind: "differs", problem };
    } catch (error) {
      const problem = (error as Error).message;
      // Where an operator returns its own argument, LibTorch's gradient does not go through the operator.
      return { kind: /derivative.*not implemented/.test(problem) ? "no gradient" : "refused", problem };
    }
  }
  return { kind: "agrees", isExact };
}

interface Ours {
  readonly results: readonly (readonly number[] | null)[];
  readonly gradients: readonly (readonly number[] | null)[];
}

/** Our results and gradients; split, every other tensor is a stage's input and the rest are weights. */
function ours(
  runtime: Runtime,
  op: Operator,
  original: readonly Argument[],
  { isWanted, seeds }: Expected,
  isSplit: boolean,
): Ours {
  const args = cloned(runtime, original);
  let numWanted = 0;
  const leaves = tensorsOf(args).map((tensor, i) => {
    if (!isWanted[i]) return undefined;
    return isSplit && numWanted++ % 2 === 0 ? markInput(tensor!, true) : variable(tensor!);
  });
  runtime.seed(SEED);
  const results = differentiableMany(op, ...args).map((result) => asPairs(result, differentiable));
  const walk = new Backward([...seeds.keys()].map((i) => rootOf(results[i]!)!));
  try {
    if (isSplit) {
      finish(walk.backwardInputs([...seeds.values()]));
      finish(walk.backwardWeights());
    } else finish(walk.backward([...seeds.values()]));
    return {
      results: results.map((result, i) => (seeds.has(i) ? result!.toArray() : null)),
      gradients: leaves.map((leaf) => leaf?.grad?.toArray() ?? null),
    };
  } finally {
    walk.end();
    for (const leaf of leaves) leaf?.grad?.dispose();
  }
}

/** The largest difference, relative to the largest element; a missing gradient is one of zeros. */
function errorOf(actual: readonly number[] | null, expected: readonly number[] | null): number {
  const length = (actual ?? expected ?? []).length;
  const a = actual ?? new Array<number>(length).fill(0);
  const b = expected ?? new Array<number>(length).fill(0);
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  const largest = b.reduce((max, x) => (Number.isFinite(x) ? Math.max(max, Math.abs(x)) : max), 1);
  let error = 0;
  for (const [i, x] of a.entries()) {
    const same = x === b[i] || (Number.isNaN(x) && Number.isNaN(b[i]!));
    if (!same)
      error = Math.max(error, Number.isFinite(x) ? Math.abs(x - b[i]!) / largest : Number.POSITIVE_INFINITY);
  }
  return Number.isNaN(error) ? Number.POSITIVE_INFINITY : error;
}
