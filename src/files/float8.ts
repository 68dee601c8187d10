/**
 * Float8 as safetensors files have it: bytes that LibTorch before 2.1 has no dtype for. Reading and writing needs none:
 * each of the 256 bytes is one float32, so a table reads them, and the byte of a number is that of the nearest entry.
 *
 * F8_E4M3 and F8_E5M2: "FP8 Formats for Deep Learning", Micikevicius et al., 2022; those with FNUZ: "8-bit Numerical
 * Formats for Deep Neural Networks", Noune et al., 2022; F8_E8M0: the scale of the OCP Microscaling Formats, 2023.
 */

export type Float8Dtype = "F8_E4M3" | "F8_E5M2" | "F8_E8M0" | "F8_E4M3FNUZ" | "F8_E5M2FNUZ";

interface Format {
  readonly mantissaBits: number;
  readonly bias: number;
  /** The bytes that are no finite number, without their sign: all from here on. */
  readonly firstSpecial: number;
  /** Infinity is the first special byte, if there is one; the others are NaN. */
  readonly hasInfinity: boolean;
  /** "FNUZ": the byte of -0 is the only NaN. */
  readonly negativeZeroIsNaN: boolean;
}

const FORMATS: Readonly<Record<Exclude<Float8Dtype, "F8_E8M0">, Format>> = {
  F8_E4M3: { mantissaBits: 3, bias: 7, firstSpecial: 0x7f, hasInfinity: false, negativeZeroIsNaN: false },
  F8_E5M2: { mantissaBits: 2, bias: 15, firstSpecial: 0x7c, hasInfinity: true, negativeZeroIsNaN: false },
  F8_E4M3FNUZ: { mantissaBits: 3, bias: 8, firstSpecial: 0x80, hasInfinity: false, negativeZeroIsNaN: true },
  F8_E5M2FNUZ: { mantissaBits: 2, bias: 16, firstSpecial: 0x80, hasInfinity: false, negativeZeroIsNaN: true },
};

const TABLES: Readonly<Record<Float8Dtype, Float32Array>> = {
  F8_E4M3: tableOf(FORMATS.F8_E4M3),
  F8_E5M2: tableOf(FORMATS.F8_E5M2),
  F8_E4M3FNUZ: tableOf(FORMATS.F8_E4M3FNUZ),
  F8_E5M2FNUZ: tableOf(FORMATS.F8_E5M2FNUZ),
  F8_E8M0: Float32Array.from({ length: 256 }, (_, byte) => (byte === 0xff ? Number.NaN : 2 ** (byte - 127))),
};

function tableOf({ mantissaBits, bias, firstSpecial, hasInfinity, negativeZeroIsNaN }: Format): Float32Array {
  return Float32Array.from({ length: 256 }, (_, byte) => {
    const [magnitude, sign] = [byte & 0x7f, byte < 0x80 ? 1 : -1];
    if (byte === 0x80 && negativeZeroIsNaN) return Number.NaN;
    if (magnitude >= firstSpecial)
      return hasInfinity && magnitude === firstSpecial ? sign * Number.POSITIVE_INFINITY : Number.NaN;
    const exponent = magnitude >> mantissaBits;
    const fraction = (magnitude & ((1 << mantissaBits) - 1)) / (1 << mantissaBits);
    // An exponent of 0 is that of 1, without the leading 1.
    return sign * (exponent === 0 ? fraction * 2 ** (1 - bias) : (1 + fraction) * 2 ** (exponent - bias));
  });
}

export function isFloat8(dtype: string): dtype is Float8Dtype {
  return Object.hasOwn(TABLES, dtype);
}

/** The numbers of float8 bytes, exactly. */
export function float8ToFloat32(dtype: Float8Dtype, bytes: Uint8Array): Float32Array {
  const table = TABLES[dtype];
  return Float32Array.from(bytes, (byte) => table[byte]!);
}

/**
 * The bytes of the nearest float8 numbers; of two equally near, the even one.
 * @returns Undefined when a finite number is beyond the largest, which would become infinite or NaN.
 */
export function float32ToFloat8(
  dtype: Exclude<Float8Dtype, "F8_E8M0">,
  numbers: Float32Array,
): Uint8Array<ArrayBuffer> | undefined {
  const { firstSpecial, hasInfinity, negativeZeroIsNaN } = FORMATS[dtype];
  const table = TABLES[dtype];
  const largest = firstSpecial - 1;
  const limit = table[largest]! + (table[largest]! - table[largest - 1]!) / 2;
  // The tie goes to the even byte, which is the last finite one or the first that is not.
  const isBeyond = (magnitude: number): boolean =>
    largest % 2 === 0 ? magnitude > limit : magnitude >= limit;
  const nan = negativeZeroIsNaN ? 0x80 : 0x7f;
  const bytes = new Uint8Array(numbers.length);
  for (let i = 0; i < numbers.length; i++) {
    const magnitude = Math.abs(numbers[i]!);
    const sign = numbers[i]! < 0 || Object.is(numbers[i], -0) ? 0x80 : 0;
    if (Number.isNaN(magnitude)) bytes[i] = nan;
    else if (magnitude === Number.POSITIVE_INFINITY) bytes[i] = hasInfinity ? sign | firstSpecial : nan;
    else if (isBeyond(magnitude)) return undefined;
    else {
      const byte = nearest(table, magnitude, largest);
      bytes[i] = byte === 0 && negativeZeroIsNaN ? 0 : sign | byte;
    }
  }
  return bytes;
}

/** The byte, up to `largest`, of the number in an ascending table that is nearest. */
function nearest(table: Float32Array, number: number, largest: number): number {
  let [below, above] = [0, largest];
  while (above - below > 1) {
    const middle = (below + above) >> 1;
    if (table[middle]! <= number) below = middle;
    else above = middle;
  }
  const [toBelow, toAbove] = [number - table[below]!, table[above]! - number];
  if (toBelow === toAbove) return below % 2 === 0 ? below : above;
  return toBelow < toAbove ? below : above;
}
