/**
 * Where a runtime's tensors are.
 *
 * Kernels need no device: LibTorch's dispatcher picks the kernel by the tensors it is called with, so `add` of two
 * tensors on a card runs on the card. A device is what no tensor decides:
 *
 *  - where an operator puts a tensor that it makes from numbers alone (`zeros`, `randn`, `empty`);
 *  - how elements get in from JavaScript's memory and out to it;
 *  - which random generator is drawn from, and what its state is;
 *  - how many bytes are in use;
 *  - what time it is: a card works behind the host, so the host's clock says when a kernel was launched, not when it
 *    ran.
 *
 * `Runtime` goes through its device for all five and knows nothing else about it. Tensors are handles here, because a
 * device lies below scopes and ownership; its caller adopts the handles that it returns.
 */
import type { Addon, Handle, NativeArgument } from "../native/addon.ts";
import { type DType, dtypeCode } from "./dtype.ts";

/** Bytes of tensors, as asked for: now, and at most since `resetPeakBytes`. */
export interface MemoryUse {
  readonly liveBytes: number;
  readonly peakBytes: number;
}

/** One message that was copied to this rank's card from another one, in ms on the clock of `timesOf`. */
export interface TimedTransfer {
  readonly startMs: number;
  readonly endMs: number;
  readonly numBytes: number;
}

export interface Device {
  readonly kind: "cpu" | "cuda";
  /** As LibTorch writes it, such as `cpu` or `cuda:0`. */
  readonly name: string;
  /** Devices of this kind that this process can use; the CPU is one. */
  readonly numDevices: number;
  /**
   * What follows the dtype in a call of an operator that makes a tensor from numbers alone: its layout and its device.
   */
  readonly creationArguments: readonly NativeArgument[];

  /**
   * Copies elements in.
   * @throws LibTorchError unless `elements` has as many bytes as the shape takes
   */
  fromBytes(elements: ArrayBufferView, shape: readonly number[], dtype: DType): Handle;
  /** Copies elements out, in row-major order. */
  toBytes(tensor: Handle): ArrayBuffer;
  /**
   * Copies elements out, in row-major order, into memory that the caller has, shared or not.
   * @throws LibTorchError unless it has exactly their size
   */
  copyBytes(tensor: Handle, into: Uint8Array): void;

  seed(seed: number): void;
  /** The state of the random generator, as a new tensor of bytes. */
  randomState(): Handle;
  setRandomState(state: Handle): void;

  memory(): MemoryUse;
  resetPeakBytes(): void;
  /** Gives memory that is kept for the next tensors back to the system. */
  releaseCache(): void;

  /** Notes the moment at which all that this thread has called so far is computed. @returns A number for `timesOf`. */
  mark(): number;
  /**
   * The times of such moments, each asked for once, in ms on a clock that all threads of the process share. Waits until
   * they are over.
   */
  timesOf(marks: readonly number[]): number[];
  /**
   * Times from now on the copies of messages between devices that this thread reads; undefined where the memory of all
   * ranks is the same. Steps that run as graphs are not timed.
   */
  recordTransfers?(): void;
  /** Those since the last call. Call it when everything that this thread has called is computed. */
  takeTransfers?(): TimedTransfer[];
  /** Waits until everything that this thread has called is computed. */
  synchronize(): void;
  /** How often this thread has waited for the device, in a read or within an operator; always 0 on the CPU. */
  readonly numSynchronizations: number;
  /**
   * Whether products of float32 matrices may round their factors to TF32, 10 bits of mantissa instead of 23, which is
   * several times as fast: for all devices of the process, and at first not. Undefined where there is no TF32.
   */
  setTf32?(isAllowed: boolean): void;
  /**
   * Runs a body whose kernels become a graph and are not computed yet; undefined where a device has no graphs.
   * @throws What the body throws, for example when it reads a value, which does not exist yet
   */
  capture?<T>(body: () => T): { readonly graph: DeviceGraph; readonly result: T };
}

/** Kernels that were captured, with all their memory. */
export interface DeviceGraph {
  /** Computes them again, on the same memory. */
  replay(): void;
  /** Frees the memory; a second call does nothing. */
  free(): void;
}

/** What is the same on every device: the addon finds a tensor's device, and a thread's generator, by itself. */
export abstract class AddonDevice {
  protected readonly addon: Addon;

  constructor(addon: Addon) {
    this.addon = addon;
  }

  toBytes(tensor: Handle): ArrayBuffer {
    return this.addon.toBytes(tensor);
  }

  copyBytes(tensor: Handle, into: Uint8Array): void {
    this.addon.copyBytes(tensor, into);
  }

  seed(seed: number): void {
    this.addon.seed(seed);
  }

  randomState(): Handle {
    return this.addon.randomState();
  }

  setRandomState(state: Handle): void {
    this.addon.setRandomState(state);
  }
}

/** The memory of this process: memory figures are the process's, the random generator is the thread's. */
export class CpuDevice extends AddonDevice implements Device {
  readonly kind = "cpu";
  readonly name = "cpu";
  readonly numDevices = 1;
  /** LibTorch's defaults. */
  readonly creationArguments = [];

  fromBytes(elements: ArrayBufferView, shape: readonly number[], dtype: DType): Handle {
    return this.addon.fromBytes(elements, dtypeCode(dtype), shape);
  }

  memory(): MemoryUse {
    return this.addon.memory();
  }

  resetPeakBytes(): void {
    this.addon.resetPeakBytes();
  }

  releaseCache(): void {
    this.addon.releaseCache();
  }

  mark(): number {
    return hostNowMs();
  }

  timesOf(marks: readonly number[]): number[] {
    return [...marks];
  }

  synchronize(): void {}

  readonly numSynchronizations = 0;
}

/** `performance.now()` starts at zero in each worker thread; the origin makes the threads' times comparable. */
export function hostNowMs(): number {
  return performance.timeOrigin + performance.now();
}
