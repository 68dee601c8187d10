import type { DType } from "../dtype.ts";

/** The elements of a tensor in JavaScript; `Runtime.read` says which dtype comes as which. */
export type ElementArray =
  | Uint8Array
  | Int32Array
  | BigInt64Array
  | Uint16Array
  | Float32Array
  | Float64Array;

/** The elements in bytes of a dtype that JavaScript has an array for. */
export function elementsOf(dtype: Exclude<DType, "bfloat16" | "float16">, bytes: ArrayBuffer): ElementArray {
  switch (dtype) {
    case "float32":
      return new Float32Array(bytes);
    case "float64":
      return new Float64Array(bytes);
    case "int64":
      return new BigInt64Array(bytes);
    case "int32":
      return new Int32Array(bytes);
    case "uint8":
    case "bool":
      return new Uint8Array(bytes);
    default:
      return dtype satisfies never;
  }
}
