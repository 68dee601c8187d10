// Buffers that several ranks hold, such as running means: each holder changes its own, by the micro-batches that it
// sees. A mirror sees other ones than its rank, and so do replicas; left alone, holders of one stage would evaluate
// differently. So after each step all holders have the mean of their values, added up in the order of the holders,
// which gives the same bits everywhere. Integers, such as counts, are those of the first holder. So is what is equal on
// all, such as a mask: a mean of equal numbers can differ from them in the last bit, and infinities have none.
//
// That holds for forward-only steps, too: a module in train mode changes its buffers under `noGrad` as well, as in
// PyTorch. In eval mode it changes none, and the exchange leaves every bit as it is. Whether one is due is not asked:
// modes are set module by module, and holders that disagreed would wait for one another.
import type { ModuleBuffer } from "../../nn/module-buffer.ts";
import { isFloatingPoint } from "../../tensor/dtype.ts";
import * as kernels from "../../tensor/kernels/index.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { ProcessGroup } from "../../transport/process-group.ts";
import { during } from "../../transport/transport-error.ts";
import type { StageModule } from "../stage/stage.ts";
import { eachOnce } from "./each-once.ts";

interface Named {
  readonly stage: number;
  readonly name: string;
  readonly buffer: ModuleBuffer;
}

export class SharedBuffers {
  readonly #holders: ProcessGroup;
  readonly #named: readonly Named[];
  readonly #buffers: readonly Tensor[];

  /**
   * @param holders All ranks that hold this rank's stages, this one included.
   * @param modules The modules of this rank by stage; those of the other holders are of the same stages.
   */
  constructor(holders: ProcessGroup, modules: ReadonlyMap<number, StageModule>) {
    this.#holders = holders;
    this.#named = eachOnce(modules, (module) => module.namedBuffers()).map(({ state, ...where }) => ({
      ...where,
      buffer: state,
    }));
    this.#buffers = this.#named.map(({ buffer }) => buffer);
  }

  /** Those of the stages that this holder owns. */
  owned(ownerOf: (stage: number) => number): Named[] {
    return this.#named.filter(({ stage }) => ownerOf(stage) === this.#holders.rank);
  }

  /**
   * Gives all holders the values of the first, which does not wait for the others; all must call it.
   * @throws TransportError MISMATCHED_MESSAGE when their buffers differ in number, dtype or shape
   */
  equalize(): void {
    const buffers = this.#buffers.map(({ dtype, shape }) => `${dtype} [${shape}]`);
    const label = `the first values of its buffers: ${buffers.join(", ") || "none"}`;
    this.#exchange(() => {
      if (this.#holders.rank === 0) this.#send(label);
      else this.#replace(this.#holders.receive(0, "weights", label).take());
    });
  }

  /** Gives all holders the mean of their values; all must call it. @param label What all of them call the exchange. */
  average(label: string): void {
    if (this.#buffers.length === 0) return;
    this.#exchange(() => {
      const own = this.#send(label);
      const all = this.#ranks().map((holder) =>
        holder === this.#holders.rank ? own : this.#holders.receive(holder, "weights", label).take(),
      );
      this.#replace(own.map((_, i) => meanOf(all.map((values) => values[i]!))));
    });
  }

  #exchange(body: () => void): void {
    if (this.#holders.size === 1) return;
    during("the exchange of buffers", () => this.#holders.runtime.scope(body));
  }

  #ranks(): number[] {
    return Array.from({ length: this.#holders.size }, (_, holder) => holder);
  }

  /** Sends copies to all others, and returns them: a sent tensor must not change, and a buffer does. */
  #send(label: string): Tensor[] {
    const own = this.#buffers.map((buffer) => kernels.clone(buffer));
    for (const holder of this.#ranks())
      if (holder !== this.#holders.rank) this.#holders.send(holder, "weights", own, label);
    return own;
  }

  #replace(values: readonly (Tensor | null)[]): void {
    this.#buffers.forEach((buffer, i) => {
      kernels.copy_(buffer, values[i]!);
    });
  }
}

/** The mean of the values, and exactly the first where all are equal. */
function meanOf(values: readonly Tensor[]): Tensor {
  const [first, ...others] = values as [Tensor, ...Tensor[]];
  if (!isFloatingPoint(first.dtype)) return first;
  const sum = others.reduce((sum, value) => kernels.add(sum, value), first);
  const mean = kernels.mulScalar(sum, 1 / values.length);
  return others.reduce((chosen, value) => kernels.where(kernels.eq(value, first), chosen, mean), first);
}
