/**
 * A card as the device of a thread.
 *
 * The host only launches kernels; the card runs them later, in the order of the thread's compute stream. So everything
 * here that can be done behind the host is: elements go in through pinned memory, and memory that is freed is given to
 * the next kernel of the same stream. What cannot is a read, which waits until this thread's stream is done, and for
 * nothing else. `numSynchronizations` counts such waits, those within operators included: a step must have none.
 *
 * Random numbers come from a generator of the thread on the card. They differ from those of the CPU for the same seed,
 * and are the same on every card.
 */
import type { Addon, CudaAddon, Handle } from "../native/addon.ts";
import {
  AddonDevice,
  type Device,
  type DeviceGraph,
  hostNowMs,
  type MemoryUse,
  type TimedTransfer,
} from "./device.ts";
import { type DType, dtypeCode } from "./dtype.ts";

/** One card, for the thread that makes the device. Memory figures are the card's, of all threads. */
export class CudaDevice extends AddonDevice implements Device {
  readonly kind = "cuda";
  readonly name: string;
  readonly numDevices: number;
  readonly creationArguments: Device["creationArguments"];
  readonly #cuda: CudaAddon;

  /** Makes the card, and a stream on it, this thread's own. */
  constructor(addon: Addon, cuda: CudaAddon, card: number) {
    super(addon);
    this.#cuda = cuda;
    this.name = `cuda:${card}`;
    this.numDevices = cuda.numCards();
    this.creationArguments = [null, this.name];
    cuda.open(card);
  }

  fromBytes(elements: ArrayBufferView, shape: readonly number[], dtype: DType): Handle {
    return this.#cuda.fromBytes(elements, dtypeCode(dtype), shape);
  }

  memory(): MemoryUse {
    return this.#cuda.memory();
  }

  resetPeakBytes(): void {
    this.#cuda.resetPeakBytes();
  }

  releaseCache(): void {
    this.#cuda.releaseCache();
  }

  mark(): number {
    return this.#cuda.mark();
  }

  timesOf(marks: readonly number[]): number[] {
    const ages = this.#cuda.msSince(marks);
    const nowMs = hostNowMs();
    return ages.map((ageMs) => nowMs - ageMs);
  }

  recordTransfers(): void {
    this.#cuda.recordTransfers();
  }

  takeTransfers(): TimedTransfer[] {
    const ages = this.#cuda.takeTransfers();
    const nowMs = hostNowMs();
    return Array.from({ length: ages.length / 3 }, (_, i) => ({
      startMs: nowMs - ages[3 * i]!,
      endMs: nowMs - ages[3 * i + 1]!,
      numBytes: ages[3 * i + 2]!,
    }));
  }

  synchronize(): void {
    this.#cuda.synchronize();
  }

  get numSynchronizations(): number {
    return this.#cuda.numSynchronizations();
  }

  setTf32(isAllowed: boolean): void {
    this.#cuda.setTf32(isAllowed);
  }

  capture<T>(body: () => T): { readonly graph: DeviceGraph; readonly result: T } {
    const { graph } = this.#cuda;
    graph.begin();
    try {
      const result = body();
      const captured = graph.end();
      return { result, graph: { replay: () => graph.replay(captured), free: () => graph.free(captured) } };
    } catch (error) {
      graph.discard();
      throw error;
    }
  }
}
