/**
 * Two ends of life: the owner's and the elements'.
 *
 * A Tensor object is one owner of its elements. Its owners have one cell in common, which has the native handle and
 * counts them; the last one to be disposed frees the elements. So a stage can send an output and free it at once while
 * the graph still holds a share of it, and neither knows of the other. Views and reshapes are tensors of their own over
 * the same storage, which LibTorch counts.
 *
 * The cell remembers shape and dtype once they have been asked for, so they stay known when the elements are gone: a
 * backward needs the shape of an input, not its elements.
 */
import type { Handle } from "../native/addon.ts";
import { bytesPerElement, type DType, dtypeOfCode } from "./dtype.ts";
import { InPlaceError, ShapeError, TensorDisposedError } from "./errors.ts";
import type { Runtime } from "./runtime.ts";

/** What several Tensor objects own together: one entry of the native table. */
class Cell {
  readonly handle: Handle;
  owners = 1;
  shape: readonly number[] | undefined;
  dtype: DType | undefined;
  changes: Changes | undefined;
  watcher: Watcher | undefined;

  constructor(handle: Handle) {
    this.handle = handle;
  }
}

/** The last change in place of elements that a tensor and its views have in common. */
interface Changes {
  /** The runtime's count at the change, which grows with each graph node; -1 before the first. */
  at: number;
  /** The name of the operator. */
  by: string;
}

/** Who is told when elements that it watches are freed, or have another owner than their scope. */
interface Watcher {
  remove(elements: object): void;
}

export interface TensorHistory {
  /** Why the tensor's elements must not be changed, with or without a graph; undefined when they may be. */
  whyFixed(records: boolean): "graph" | "stage input" | undefined;
  /** The history of what an operator computes from this tensor unrecorded; undefined when no gradient is lost. */
  lostBy(operator: string, tensor: Tensor): TensorHistory | undefined;
  /** The tensor that had this history is disposed. */
  forget(): void;
}

/**
 * An n-dimensional array in LibTorch. Each Tensor object is one owner of its elements, which are freed as soon as the
 * last owner is disposed: by the scope in which it was made, by `dispose()`, or by `using`. Using a disposed tensor
 * throws a TensorDisposedError.
 */
export class Tensor {
  readonly runtime: Runtime;
  /** How the tensor was computed; set and read by the autograd layer alone. */
  history: TensorHistory | undefined = undefined;
  #cell: Cell;
  #disposed = false;

  protected constructor(runtime: Runtime, cell: Cell) {
    this.runtime = runtime;
    this.#cell = cell;
  }

  /** The first owner of a handle. Call `Runtime.adoptHandle` instead, which puts the tensor into the current scope. */
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

  /** Sizes of the dimensions; known after disposal, too, if asked for before. */
  get shape(): readonly number[] {
    this.#cell.shape ??= this.runtime.addon.shape(this.handle);
    return this.#cell.shape;
  }

  /**
   * The element type; known after disposal, too, if asked for before.
   * @throws DtypeError for one that this package does not know
   */
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

  /** True when no other tensor, in any thread, has these elements, so that they can be changed in place. */
  get isSoleOwner(): boolean {
    return this.#cell.owners === 1 && this.runtime.addon.storageUses(this.handle) === 1;
  }

  /** When and by what operator the elements were last changed in place, if they were. */
  get changes(): Readonly<Changes> | undefined {
    return this.#cell.changes;
  }

  /**
   * Notes that an operator changes the elements now. @throws InPlaceError when a gradient or another stage relies on
   * them
   */
  beginChange(op: string): void {
    const reason = this.history?.whyFixed(this.runtime.gradEnabled);
    if (reason !== undefined) throw new InPlaceError(op, reason);
    this.#cell.changes ??= { at: -1, by: "" };
    this.#cell.changes.at = this.runtime.nextNodeIndex();
    this.#cell.changes.by = op;
  }

  /** Says that this tensor is a view: a change of either is a change of both. */
  asViewOf(base: Tensor): this {
    base.#cell.changes ??= { at: -1, by: "" };
    this.#cell.changes = base.#cell.changes;
    return this;
  }

  /** Another owner of the same elements, outside every scope and without a graph: its caller disposes it. */
  share(): Tensor {
    return new Tensor(this.runtime, this.shareCell());
  }

  /** Tells the watcher when the elements are freed. @returns An object that lives as long as any of their owners. */
  watch(watcher: Watcher): object {
    this.#cell.watcher = watcher;
    return this.#cell;
  }

  /** Ends the watch: something else than a scope owns the elements now. */
  unwatch(): void {
    this.#cell.watcher?.remove(this.#cell);
    this.#cell.watcher = undefined;
  }

  /** Counts another owner; for the constructor of a subclass, which becomes it. */
  shareCell(): Cell {
    if (this.#disposed) throw new TensorDisposedError();
    this.#cell.owners++;
    return this.#cell;
  }

  /** Exchanges elements, history and disposal with another tensor: who has one of the two then sees the other. */
  exchange(other: Tensor): void {
    [this.#cell, other.#cell] = [other.#cell, this.#cell];
    [this.#disposed, other.#disposed] = [other.#disposed, this.#disposed];
    [this.history, other.history] = [other.history, this.history];
  }

  /** Gives up this owner; a second call does nothing. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.history?.forget();
    this.history = undefined;
    if (--this.#cell.owners > 0) return;
    this.#cell.watcher?.remove(this.#cell);
    this.runtime.addon.free(this.#cell.handle);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Dtype, shape and values, for people. */
  toString(): string {
    return this.runtime.print(this, false);
  }

  /** What `console.log` shows; deep inside of other objects, dtype and shape only. */
  [Symbol.for("nodejs.util.inspect.custom")](depth: number): string {
    return this.runtime.print(this, depth < 0);
  }

  /**
   * The value of a tensor with one element. int64 beyond 2^53 loses precision.
   * @throws ShapeError when it has none or several
   */
  item(): number {
    const values = this.runtime.read(this);
    if (values.length !== 1)
      throw new ShapeError(
        `item() takes a tensor with one element; got ${this.dtype}[${this.shape.join(", ")}], which has ${values.length}; ` +
          "read them all with toArray()",
      );
    return Number(values[0]);
  }

  /** A copy of the elements in row-major order; int64 as numbers, bool as 0 and 1. */
  toArray(): number[] {
    return Array.from(this.runtime.read(this), Number);
  }
}
