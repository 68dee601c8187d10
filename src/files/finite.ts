import type { SafetensorsDtype } from "./safetensors-header.ts";

/** A number of these dtypes is infinite or NaN if and only if all bits of its exponent are set. */
const EXPONENT_BITS: Partial<Record<SafetensorsDtype, { readonly bytes: 2 | 4 | 8; readonly mask: number }>> =
  {
    F16: { bytes: 2, mask: 0x7c00 },
    BF16: { bytes: 2, mask: 0x7f80 },
    F32: { bytes: 4, mask: 0x7f800000 },
    // Of the upper half, which comes second in little-endian order.
    F64: { bytes: 8, mask: 0x7ff00000 },
  };

/** Whether elements of a safetensors file are neither infinite nor NaN; true for integers and 8-bit floats. */
export function areFinite(data: Uint8Array<ArrayBuffer>, dtype: SafetensorsDtype): boolean {
  const exponent = EXPONENT_BITS[dtype];
  if (exponent === undefined) return true;
  const { bytes, mask } = exponent;
  const words = new (bytes === 2 ? Uint16Array : Uint32Array)(
    data.buffer,
    data.byteOffset,
    data.byteLength / Math.min(bytes, 4),
  );
  const [first, stride] = bytes === 8 ? [1, 2] : [0, 1];
  for (let i = first; i < words.length; i += stride) if ((words[i]! & mask) === mask) return false;
  return true;
}
