import type { Handle } from "../native/addon.ts";
import { bytesPerElement, type DType, dtypeOfCode } from "./dtype.ts";
import { TensorDisposedError } from "./errors.ts";
import type { Runtime } from "./runtime.ts";

/** What several Tensor objects own together: one entry of the native table. */
class Cell {
  readonly handle: Handle;
  owners = 1;
  shape: readonly number[] | undefined;
  dtype: DType | undefined;

  constructor(handle: Handle) {
    this.handle = handle;
  }
}

export interface TensorHistory {
  /** The tensor that had this history is disposed. */
  forget(): void;
}

/**
 * An n-dimensional array in LibTorch. Each Tensor object is one owner of its elements, which are freed, at once, when
 * the last owner is disposed: by the scope in which it was made, by `dispose()`, or by `using`.
 */
export class Tensor {
  readonly runtime: Runtime;
  /** How the tensor was computed: the autograd layer's own. */
  history: TensorHistory | undefined = undefined;
  #cell: Cell;
  #disposed = false;

  protected constructor(runtime: Runtime, cell: Cell) {
    this.runtime = runtime;
    this.#cell = cell;
  }

  /** Takes over a handle of the native table. Called by Runtime alone, which puts the tensor into the current scope. */
  static adopt(runtime: Runtime, handle: Handle): Tensor {
    return new Tensor(runtime, new Cell(handle));
  }

  /** @throws TensorDisposedError */
  get handle(): Handle {
    if (this.#disposed) throw new TensorDisposedError();
    return this.#cell.handle;
  }

  get disposed(): boolean {
    return this.#disposed;
  }

  /** Sizes of the dimensions; known even after disposal, if it was ever asked for before. */
  get shape(): readonly number[] {
    this.#cell.shape ??= this.runtime.addon.shape(this.handle);
    return this.#cell.shape;
  }

  get dtype(): DType {
    this.#cell.dtype ??= dtypeOfCode(this.runtime.addon.dtype(this.handle));
    return this.#cell.dtype;
  }

  get numElements(): number {
    return this.shape.reduce((product, size) => product * size, 1);
  }

  get numBytes(): number {
    return this.numElements * bytesPerElement(this.dtype);
  }

  /** True when nobody else, in any thread, can see these elements, so that they may be changed in place. */
  get isSoleOwner(): boolean {
    return this.#cell.owners === 1 && this.runtime.addon.storageUses(this.handle) === 1;
  }

  /** Another owner of the same elements, outside of every scope and of the graph: the caller disposes it. */
  share(): Tensor {
    return new Tensor(this.runtime, this.shareCell());
  }

  /** For a subclass's constructor, which becomes another owner. */
  shareCell(): Cell {
    if (this.#disposed) throw new TensorDisposedError();
    this.#cell.owners++;
    return this.#cell;
  }

  /** Gives up this owner; a second call does nothing. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.history?.forget();
    this.history = undefined;
    if (--this.#cell.owners === 0) this.runtime.addon.free(this.#cell.handle);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** The value of a tensor with one element. int64 beyond 2^53 loses precision. */
  item(): number {
    return Number(this.runtime.read(this)[0]);
  }

  /** A copy of the elements in row-major order; int64 as numbers, bool as 0 and 1. */
  toArray(): number[] {
    return Array.from(this.runtime.read(this), Number);
  }
}
