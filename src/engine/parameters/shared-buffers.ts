// Buffers that several ranks hold, such as running means: each holder changes its own, by the micro-batches that it
// sees. A mirror sees other ones than its rank, and so do replicas; left alone, holders of one stage would evaluate
// differently. So after a training step all holders have the mean of their values, added up in the order of the
// holders, which gives the same bits everywhere. Integers, such as counts, are those of the first holder.

import { isFloatingPoint } from "../../tensor/dtype.ts";
import * as kernels from "../../tensor/kernels/index.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { ProcessGroup } from "../../transport/process-group.ts";
import { during } from "../../transport/transport-error.ts";
import type { StageModule } from "../stage/stage.ts";

export class SharedBuffers {
  readonly #holders: ProcessGroup;
  readonly #buffers: readonly Tensor[];

  /**
   * @param holders All ranks that hold this rank's stages, this one included.
   * @param modules The modules of this rank by stage; those of the other holders are of the same stages.
   */
  constructor(holders: ProcessGroup, modules: ReadonlyMap<number, StageModule>) {
    this.#holders = holders;
    const inOrder = [...modules].sort(([a], [b]) => a - b).map(([, module]) => module);
    this.#buffers = [
      ...new Set(inOrder.flatMap((module) => module.namedBuffers().map(([, buffer]) => buffer))),
    ];
  }

  /** Gives all holders the mean of their values; all must call it. @param label What all of them call the exchange. */
  average(label: string): void {
    this.#exchange(label, (values) => {
      const [first] = values as [Tensor, ...Tensor[]];
      if (!isFloatingPoint(first.dtype)) return first;
      const sum = values.reduce((sum, value) => kernels.add(sum, value));
      return kernels.mulScalar(sum, 1 / values.length);
    });
  }

  /** Gives all holders the values of the first; all must call it. */
  equalize(label: string): void {
    this.#exchange(label, (values) => values[0]!);
  }

  /** @param choose The new value of a buffer, from those of all holders in their order. */
  #exchange(label: string, choose: (values: readonly Tensor[]) => Tensor): void {
    const { runtime, rank, size } = this.#holders;
    if (this.#buffers.length === 0 || size === 1) return;
    const holders = Array.from({ length: size }, (_, holder) => holder);
    const exchange = () => {
      // A sent tensor must not change, and a buffer does.
      const own = this.#buffers.map((buffer) => kernels.clone(buffer));
      for (const holder of holders) if (holder !== rank) this.#holders.send(holder, "weights", own, label);
      const all = holders.map((holder) =>
        holder === rank ? own : this.#holders.receive(holder, "weights", label).take(),
      );
      this.#buffers.forEach((buffer, i) => {
        kernels.copy_(buffer, choose(all.map((values) => values[i]!)));
      });
    };
    during("the exchange of buffers", () => runtime.scope(exchange));
  }
}
