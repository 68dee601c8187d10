import type { TensorInfo } from "../../files/safetensors.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { safetensorsDtypeOf } from "./dtypes.ts";

/** A tensor's elements at some moment, in memory that threads share. */
export interface CopiedTensor extends TensorInfo {
  readonly data: Uint8Array;
}

const ALIGNMENT_BYTES = 64;

/**
 * Memory for copies of a rank's tensors, kept from one checkpoint to the next: to have the system find new memory each
 * time takes longer than the copy itself. The next copies overwrite those before.
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
