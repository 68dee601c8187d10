import type { TensorInfo } from "../../files/safetensors.ts";
import { safetensorsDtypeOf } from "../../nn/safetensors-dtypes.ts";
import type { Tensor } from "../../tensor/tensor.ts";

/** A copy of a tensor's elements, in memory that threads share. */
export interface CopiedTensor extends TensorInfo {
  readonly data: Uint8Array;
}

const ALIGNMENT_BYTES = 64;

/**
 * Memory for copies of a rank's tensors. It is kept from one checkpoint to the next, because getting fresh memory from
 * the system takes longer than the copy itself. Each call of `copy` overwrites the copies of the last.
 */
export class CopyBuffer {
  #memory = new SharedArrayBuffer(0);

  copy(tensors: readonly (readonly [name: string, tensor: Tensor])[]): CopiedTensor[] {
    const offsets: number[] = [];
    let numBytes = 0;
    for (const [, tensor] of tensors) {
      offsets.push(numBytes);
      numBytes += Math.ceil(tensor.numBytes / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
    }
    if (this.#memory.byteLength < numBytes) this.#memory = new SharedArrayBuffer(numBytes);
    return tensors.map(([name, tensor], i) => {
      const data = new Uint8Array(this.#memory, offsets[i], tensor.numBytes);
      tensor.runtime.readBytesInto(tensor, data);
      return { name, dtype: safetensorsDtypeOf(tensor.dtype), shape: tensor.shape, data };
    });
  }
}
