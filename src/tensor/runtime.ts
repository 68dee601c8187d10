import type { Addon, NativeArgument, NativeResult } from "../native/addon.ts";
import { loadAddon } from "../native/load.ts";
import { type DType, dtypeCode } from "./dtype.ts";
import * as kernels from "./kernels/index.ts";
import { type Operator, operator } from "./native-operator.ts";
import { Scope } from "./scope.ts";
import { Tensor } from "./tensor.ts";

/** What an operator takes: its schema's types, with tensors as tensors. Dtypes are passed by `dtypeCode`. */
export type Argument = Tensor | readonly (Tensor | null)[] | NativeArgument;

export type ElementArray =
  | Uint8Array
  | Int32Array
  | BigInt64Array
  | Uint16Array
  | Float32Array
  | Float64Array;

/**
 * LibTorch in one thread: its operators, its scopes and its random numbers. Nothing of it is global, so that ranks can
 * be worker threads of one process; a tensor belongs to the runtime that made it.
 *
 * @example
 * const runtime = Runtime.load();
 * const sum = runtime.scope(() => runtime.call(operator("aten::add", "Tensor"), runtime.ones([2, 3]), runtime.randn([2, 3])));
 */
export class Runtime {
  readonly addon: Addon;
  /** False inside `noGrad`: the autograd layer records nothing. */
  gradEnabled = true;
  #scope: Scope | undefined = undefined;
  #operators = new Map<Operator, number>();
  #supported = new Map<Operator, boolean>();
  #numNodes = 0;

  constructor(addon: Addon) {
    this.addon = addon;
    addon.setNumThreads(1);
  }

  /** Loads LibTorch; builds the native addon first if there is none. @throws NativeSetupError when that fails, with what to do. */
  static load(): Runtime {
    return new Runtime(loadAddon<Addon>());
  }

  /** Calls an operator with one result. The result belongs to the current scope. */
  call(op: Operator, ...args: Argument[]): Tensor {
    return this.#adopt(this.addon.call(this.#number(op), ...toNative(args)));
  }

  /** Calls an operator with several tensors as results; an undefined one comes as null. */
  callMany(op: Operator, ...args: Argument[]): (Tensor | null)[] {
    const results = this.addon.call(this.#number(op), ...toNative(args)) as NativeResult[];
    return results.map((result) => (result === null ? null : this.#adopt(result)));
  }

  /** Calls an in-place operator, such as `aten::add_`, or one with an `out` argument. */
  callInPlace(op: Operator, ...args: Argument[]): void {
    this.addon.callInPlace(this.#number(op), ...toNative(args));
  }

  /** Runs `body` and disposes every tensor made in it, but those that it returns or that a backward will need. */
  scope<T>(body: () => T): T {
    const scope = new Scope(this.#scope);
    this.#scope = scope;
    let kept: T | undefined;
    try {
      kept = body();
      return kept;
    } finally {
      this.#scope = scope.parent;
      scope.end(kept);
    }
  }

  /**
   * `scope` for a computation that is suspended now and then: its scope is the current one only while it runs.
   * Ending it early, by `return()` of the generator, disposes everything that it made.
   */
  *suspendableScope<Y, T>(body: Generator<Y, T, void>): Generator<Y, T, void> {
    const scope = new Scope(undefined);
    let kept: T | undefined;
    try {
      for (;;) {
        const outer = this.#scope;
        scope.parent = outer;
        this.#scope = scope;
        let step: IteratorResult<Y, T>;
        try {
          step = body.next();
        } finally {
          this.#scope = outer;
        }
        if (step.done) {
          kept = step.value;
          return kept;
        }
        yield step.value;
      }
    } finally {
      body.return(undefined as T);
      scope.end(kept);
    }
  }

  /** Takes a handle into the current scope. */
  adoptHandle(handle: number): Tensor {
    return this.#adopt(handle);
  }

  /** The current scope, to be left while a computation is suspended and entered again later. */
  get currentScope(): Scope | undefined {
    return this.#scope;
  }

  set currentScope(scope: Scope | undefined) {
    this.#scope = scope;
  }

  /** A number that grows with each graph node of this runtime: the order in which a backward undoes them. */
  nextNodeIndex(): number {
    return this.#numNodes++;
  }

  /** Copies a typed array, whose bytes must be the elements of `dtype`. */
  fromArray(elements: ElementArray, shape: readonly number[], dtype: DType): Tensor {
    return this.#adopt(this.addon.fromBytes(elements, dtypeCode(dtype), shape));
  }

  /** A tensor of these numbers, converted to `dtype`. */
  tensor(
    numbers: readonly number[],
    shape: readonly number[] = [numbers.length],
    dtype: DType = "float32",
  ): Tensor {
    const float64 = this.fromArray(Float64Array.from(numbers), shape, "float64");
    if (dtype === "float64") return float64;
    const converted = kernels.toDtype(float64, dtype);
    if (this.#scope === undefined) float64.dispose();
    return converted;
  }

  zeros(shape: readonly number[], dtype: DType = "float32"): Tensor {
    return this.call(ZEROS, shape, dtypeCode(dtype));
  }

  ones(shape: readonly number[], dtype: DType = "float32"): Tensor {
    return this.call(ONES, shape, dtypeCode(dtype));
  }

  full(shape: readonly number[], value: number, dtype: DType = "float32"): Tensor {
    return this.call(FULL, shape, value, dtypeCode(dtype));
  }

  /** Samples of the standard normal distribution, from this runtime's own generator. */
  randn(shape: readonly number[], dtype: DType = "float32"): Tensor {
    return this.call(RANDN, shape, null, dtypeCode(dtype));
  }

  /** Uniform samples of [0, 1). */
  rand(shape: readonly number[], dtype: DType = "float32"): Tensor {
    return this.call(RAND, shape, null, dtypeCode(dtype));
  }

  /** Uniform whole numbers of [low, high), as int64. */
  randint(low: number, high: number, shape: readonly number[]): Tensor {
    return this.call(RANDINT, low, high, shape, null, dtypeCode("int64"));
  }

  /** 0, 1, ... end-1, as int64. */
  arange(end: number): Tensor {
    return this.call(ARANGE, end, dtypeCode("int64"));
  }

  seed(seed: number): void {
    this.addon.seed(seed);
  }

  /** The elements in row-major order, as the typed array of their dtype; float16 and bfloat16 as float32. */
  read(tensor: Tensor): ElementArray {
    const { dtype } = tensor;
    if (dtype === "bfloat16" || dtype === "float16")
      return this.scope(() => this.read(kernels.toDtype(tensor, "float32")));
    const bytes = this.addon.toBytes(tensor.handle);
    switch (dtype) {
      case "float32":
        return new Float32Array(bytes);
      case "float64":
        return new Float64Array(bytes);
      case "int64":
        return new BigInt64Array(bytes);
      case "int32":
        return new Int32Array(bytes);
      case "uint8":
      case "bool":
        return new Uint8Array(bytes);
      default:
        return dtype satisfies never;
    }
  }

  /** True when this LibTorch has the operator. */
  supports(op: Operator): boolean {
    const known = this.#supported.get(op);
    if (known !== undefined) return known;
    let found = true;
    try {
      this.#number(op);
    } catch {
      found = false;
    }
    this.#supported.set(op, found);
    return found;
  }

  #number(op: Operator): number {
    let number = this.#operators.get(op);
    if (number === undefined) {
      number = this.addon.op(op.name, op.overload);
      this.#operators.set(op, number);
    }
    return number;
  }

  #adopt(handle: NativeResult): Tensor {
    const tensor = Tensor.adopt(this, handle as number);
    this.#scope?.own(tensor);
    return tensor;
  }
}

function toNative(args: Argument[]): NativeArgument[] {
  for (let i = 0; i < args.length; i++) {
    const argument = args[i];
    if (argument instanceof Tensor) args[i] = argument.handle;
    else if (Array.isArray(argument) && argument.some((element) => element instanceof Tensor))
      args[i] = argument.map((element: Tensor | null) => element?.handle ?? null);
  }
  return args as NativeArgument[];
}

const ZEROS = operator("aten::zeros");
const ONES = operator("aten::ones");
const FULL = operator("aten::full");
const RANDN = operator("aten::randn", "generator");
const RAND = operator("aten::rand", "generator");
const RANDINT = operator("aten::randint", "low_generator");
const ARANGE = operator("aten::arange");
