/**
 * LibTorch in one thread.
 *
 * LibTorch itself is global: one dispatcher, one default generator, one autograd for the process. A rank is a thread,
 * and ranks that share a generator or a grad mode would compute what their timing decides. So everything that can
 * differ between ranks hangs on a Runtime: the current scope, the generator (in its device), the grad mode, the numbers
 * of graph nodes. Two runtimes of two threads share nothing, and nothing at module level has state.
 *
 * A call of an operator is the hot path of everything above: find its number (looked up once per runtime), replace
 * tensors by handles, cross the native boundary once, and put a new Tensor into the current scope.
 *
 * `gradEnabled`, `acceptLeaf`, `nextNodeIndex` and `Tensor.history` belong to the autograd layer above, which cannot
 * add fields of its own to a tensor or a runtime.
 */
import type { Addon, NativeArgument } from "../native/addon.ts";
import { loadAddon } from "../native/load.ts";
import { type Argument, notOneTensor, notSeveralTensors, toNative } from "./calls/native-arguments.ts";
import { OperatorNumbers } from "./calls/operator-numbers.ts";
import { type RecordedCall, recordCall } from "./calls/recording.ts";
import { beginChange, lostGradient } from "./calls/unrecorded.ts";
import { CpuDevice, type Device } from "./device.ts";
import { type LoadOptions, openDevice } from "./device-choice.ts";
import { type DType, dtypeCode } from "./dtype.ts";
import { LibTorchError, ShapeError } from "./errors.ts";
import * as kernels from "./kernels/index.ts";
import { type Operator, operator } from "./native-operator.ts";
import { Scopes } from "./scope.ts";
import { Tensor } from "./tensor.ts";
import { type ElementArray, elementsOf } from "./values/elements.ts";
import { flatten, type NestedNumbers } from "./values/numbers.ts";
import { printTensor } from "./values/print.ts";

/**
 * LibTorch in one thread: operators, scopes and random numbers. A tensor belongs to the runtime that made it and cannot
 * be used in another thread.
 *
 * @example
 * const runtime = Runtime.load();
 * const add = operator("aten::add", "Tensor");
 * const sum = runtime.scope(() => runtime.call(add, runtime.ones([2, 3]), runtime.randn([2, 3])));
 */
export class Runtime extends Scopes {
  readonly addon: Addon;
  /** Where new tensors are. */
  readonly device: Device;
  /** False inside `noGrad`: the autograd layer records nothing. */
  gradEnabled = true;
  /** While a pipeline runs: throws when the first gradient of a parameter is not for one of its own. */
  acceptLeaf: ((leaf: unknown, gradient: Tensor) => void) | undefined = undefined;
  /** While a checkpoint's body runs for the first time: what recorded operations were called with. */
  usedTensors: Set<Tensor> | undefined = undefined;
  readonly #numbers: OperatorNumbers;
  #numNodes = 0;

  constructor(addon: Addon, device: Device = new CpuDevice(addon)) {
    super(addon);
    this.addon = addon;
    this.device = device;
    this.#numbers = new OperatorNumbers(addon);
    addon.setErrorClass(LibTorchError);
    // One rank is one thread: threads within an operator would take the cores of the other ranks.
    addon.setNumThreads(1);
  }

  /**
   * Loads LibTorch; builds the native addon first if there is none.
   * @throws NativeSetupError when that fails, with what to do; DeviceError when the device is not available.
   */
  static load({ device = "cpu", localRank = 0 }: LoadOptions = {}): Runtime {
    const addon = loadAddon<Addon>();
    return new Runtime(addon, openDevice(addon, device, localRank));
  }

  /**
   * Calls an operator with one result, which belongs to the current scope. `record` says how gradients go through it.
   * @throws LibTorchError with the operator and its arguments; TensorDisposedError
   */
  call(op: Operator, ...args: Argument[]): Tensor {
    const lost = this.gradEnabled ? lostGradient(op, args, op.isInPlace ? args[0] : undefined) : undefined;
    const result = this.#call(op, args);
    lost?.mark(result);
    return result;
  }

  /** `call` for an operator with several tensors as results; an undefined one comes as null. */
  callMany(op: Operator, ...args: Argument[]): (Tensor | null)[] {
    const lost = this.gradEnabled ? lostGradient(op, args, op.isInPlace ? args[0] : undefined) : undefined;
    const results = this.#callMany(op, args);
    lost?.mark(results);
    return results;
  }

  /**
   * Calls an operator that changes its first argument, such as `aten::add_`, or one with an `out` argument, the last.
   * @throws InPlaceError when a gradient flows through the tensor, or it is an input of a stage; LibTorchError with
   * the operator and its arguments; TensorDisposedError
   */
  callInPlace(op: Operator, ...args: Argument[]): void {
    const lost = this.gradEnabled ? lostGradient(op, args, op.isInPlace ? args[0] : args.at(-1)) : undefined;
    this.#callInPlace(op, args);
    lost?.mark([]);
  }

  /** `call` for kernels: what they compute is a part of an operation, which is recorded as a whole. */
  kernel(op: Operator, ...args: Argument[]): Tensor {
    return this.#call(op, args);
  }

  /** `callMany` for kernels. */
  kernelMany(op: Operator, ...args: Argument[]): (Tensor | null)[] {
    return this.#callMany(op, args);
  }

  /** `callInPlace` for kernels. */
  kernelInPlace(op: Operator, ...args: Argument[]): void {
    this.#callInPlace(op, args);
  }

  /**
   * Calls an operator above LibTorch's autograd.
   * @param tensors Those among the arguments, as `tensorsOf` lists them.
   * @param isWanted Which of them are to have a gradient.
   * @throws LibTorchError with the operator and its arguments, or when it overwrites one; TensorDisposedError
   */
  recordCall(
    op: Operator,
    args: readonly Argument[],
    tensors: readonly (Tensor | null)[],
    isWanted: readonly boolean[],
  ): RecordedCall {
    return recordCall(this, this.#numbers.of(op), op, args, tensors, isWanted);
  }

  #call(op: Operator, args: Argument[]): Tensor {
    if (op.isInPlace) beginChange(op, args[0]);
    const word = this.#numbers.of(op) + toNative(op, args);
    const result = this.addon.call(word, ...(args as NativeArgument[]));
    if (typeof result !== "number") throw notOneTensor(this.addon, op, result);
    return this.#adopt(result);
  }

  #callMany(op: Operator, args: Argument[]): (Tensor | null)[] {
    if (op.isInPlace) beginChange(op, args[0]);
    const word = this.#numbers.of(op) + toNative(op, args);
    const results = this.addon.call(word, ...(args as NativeArgument[]));
    if (!Array.isArray(results)) throw notSeveralTensors(this.addon, op, results);
    return results.map((result) => (result === null ? null : this.#adopt(result as number)));
  }

  #callInPlace(op: Operator, args: Argument[]): void {
    beginChange(op, op.isInPlace ? args[0] : args.at(-1));
    const word = this.#numbers.of(op) + toNative(op, args);
    this.addon.callInPlace(word, ...(args as NativeArgument[]));
  }

  /** The tensor of a handle that the addon returned; it belongs to the current scope. */
  adoptHandle(handle: number): Tensor {
    return this.#adopt(handle);
  }

  /** A number that grows with each graph node of this runtime: the order in which a backward undoes them. */
  nextNodeIndex(): number {
    return this.#numNodes++;
  }

  /**
   * A tensor [...shape] with a copy of `elements`, whose bytes are elements of `dtype` in row-major order.
   * @throws LibTorchError unless it has as many bytes as the shape takes
   */
  fromArray(elements: ElementArray, shape: readonly number[], dtype: DType): Tensor {
    return this.#adopt(this.device.fromBytes(elements, shape, dtype));
  }

  /**
   * A tensor of these numbers, converted to `dtype`.
   * @param numbers In row-major order; nested arrays give a tensor of their shape, and one number a tensor [].
   * @param shape Of as many elements as there are numbers; by default that of `numbers`.
   * @throws ShapeError for arrays of different lengths, or another number of numbers than the shape takes;
   * ArgumentError for what is no number; DtypeError
   * @example
   * const x = runtime.tensor([[1, 2, 3], [4, 5, 6]]); // float32 [2, 3]
   */
  tensor(numbers: NestedNumbers, shape?: readonly number[], dtype: DType = "float32"): Tensor {
    // Before anything is made that an unknown dtype would leave behind.
    dtypeCode(dtype);
    const given = flatten(numbers);
    const asked = shape ?? given.shape;
    const numElements = asked.reduce((product, size) => product * size, 1);
    if (numElements !== given.elements.length)
      throw new ShapeError(
        `tensor(): the shape [${asked.join(", ")}] takes ${numElements} numbers; got ${given.elements.length}`,
      );
    const float64 = this.fromArray(given.elements, asked, "float64");
    if (dtype === "float64") return float64;
    const converted = kernels.toDtype(float64, dtype);
    if (this.currentScope === undefined) float64.dispose();
    return converted;
  }

  /** Elements that have not been written yet: whatever was in that memory. */
  empty(shape: readonly number[], dtype: DType = "float32"): Tensor {
    return this.#create(EMPTY, dtype, shape);
  }

  zeros(shape: readonly number[], dtype: DType = "float32"): Tensor {
    return this.#create(ZEROS, dtype, shape);
  }

  ones(shape: readonly number[], dtype: DType = "float32"): Tensor {
    return this.#create(ONES, dtype, shape);
  }

  full(shape: readonly number[], value: number, dtype: DType = "float32"): Tensor {
    return this.#create(FULL, dtype, shape, value);
  }

  /** Samples of the standard normal distribution, from this runtime's own generator. */
  randn(shape: readonly number[], dtype: DType = "float32"): Tensor {
    return this.#create(RANDN, dtype, shape, null);
  }

  /** Uniform samples of [0, 1). */
  rand(shape: readonly number[], dtype: DType = "float32"): Tensor {
    return this.#create(RAND, dtype, shape, null);
  }

  /** Uniform whole numbers of [low, high), as int64. */
  randint(low: number, high: number, shape: readonly number[]): Tensor {
    return this.#create(RANDINT, "int64", low, high, shape, null);
  }

  /** 0, 1, ... end-1, as int64. */
  arange(end: number): Tensor {
    return this.#create(ARANGE, "int64", end);
  }

  /** Calls an operator that makes a tensor on this runtime's device; what comes before its dtype is `args`. */
  #create(op: Operator, dtype: DType, ...args: NativeArgument[]): Tensor {
    return this.kernel(op, ...args, dtypeCode(dtype), ...this.device.creationArguments);
  }

  /** Starts the random numbers of this thread over; the same seed gives the same numbers in every thread. */
  seed(seed: number): void {
    this.device.seed(seed);
  }

  /** The state of the random generator, as a tensor of bytes for `setRandomState`; it belongs to the current scope. */
  randomState(): Tensor {
    return this.#adopt(this.device.randomState());
  }

  setRandomState(state: Tensor): void {
    this.device.setRandomState(state.handle);
  }

  /** A copy of the elements in row-major order, as the typed array of their dtype; float16 and bfloat16 as float32. */
  read(tensor: Tensor): ElementArray {
    const { dtype } = tensor;
    if (dtype === "bfloat16" || dtype === "float16")
      return this.scope(() => this.read(kernels.toDtype(tensor, "float32")));
    return elementsOf(dtype, this.readBytes(tensor));
  }

  /** What `console.log` shows of a tensor, without its values if `isBrief`. */
  print(tensor: Tensor, isBrief: boolean): string {
    return this.scope(() => printTensor(tensor, (part) => this.read(part), isBrief));
  }

  /** A copy of the elements' bytes in row-major order, in the tensor's own dtype. */
  readBytes(tensor: Tensor): ArrayBuffer {
    return this.device.toBytes(tensor.handle);
  }

  /**
   * `readBytes` into memory of the caller's, which may be shared between threads.
   * @throws LibTorchError unless it has exactly `tensor.numBytes`
   */
  readBytesInto(tensor: Tensor, bytes: Uint8Array): void {
    this.device.copyBytes(tensor.handle, bytes);
  }

  /** True when this LibTorch has the operator. */
  supports(op: Operator): boolean {
    return this.#numbers.has(op);
  }

  #adopt(handle: number): Tensor {
    return this.own(Tensor.adopt(this, handle));
  }
}

const EMPTY = operator("aten::empty", "memory_format");
const ZEROS = operator("aten::zeros");
const ONES = operator("aten::ones");
const FULL = operator("aten::full");
const RANDN = operator("aten::randn", "generator");
const RAND = operator("aten::rand", "generator");
const RANDINT = operator("aten::randint", "low_generator");
const ARANGE = operator("aten::arange");
