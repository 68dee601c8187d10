import { shown } from "../errors/shown.ts";
import { closestName, didYouMean } from "../errors/suggestion.ts";
import { DtypeError } from "./errors.ts";

/** Element types, named as in PyTorch. */
export type DType = "uint8" | "int32" | "int64" | "float16" | "float32" | "float64" | "bool" | "bfloat16";

/** The numbers of c10::ScalarType. */
const codes: Readonly<Record<DType, number>> = {
  uint8: 0,
  int32: 3,
  int64: 4,
  float16: 5,
  float32: 6,
  float64: 7,
  bool: 11,
  bfloat16: 15,
};

/** What else PyTorch and others call them. */
const otherNames: Readonly<Record<string, DType>> = {
  float: "float32",
  f32: "float32",
  double: "float64",
  f64: "float64",
  half: "float16",
  f16: "float16",
  fp16: "float16",
  bf16: "bfloat16",
  long: "int64",
  i64: "int64",
  int: "int32",
  i32: "int32",
  byte: "uint8",
  u8: "uint8",
  boolean: "bool",
};

const names = new Map(Object.entries(codes).map(([name, code]) => [code, name as DType]));

/**
 * The number of a dtype in LibTorch, as operators take it.
 * @throws DtypeError for a name that is none of `DType`
 * @example
 * runtime.call(operator("aten::to", "dtype"), x, dtypeCode("bfloat16"));
 */
export function dtypeCode(dtype: DType): number {
  const code = codes[dtype];
  if (code === undefined) throw unknownDtype(dtype);
  return code;
}

function unknownDtype(dtype: unknown): DtypeError {
  const known = Object.keys(codes);
  const name = String(dtype).replace(/^torch\./, "");
  const meant = Object.hasOwn(codes, name)
    ? name
    : (otherNames[name.toLowerCase()] ?? closestName(name, known));
  return new DtypeError(
    `a dtype must be one of ${known.join(", ")}; got ${shown(dtype)}${didYouMean(meant)}`,
  );
}

/** @throws DtypeError for a dtype of LibTorch that has no name here. */
export function dtypeOfCode(code: number): DType {
  const name = names.get(code);
  if (name === undefined) {
    const known = [...names.values()].join(", ");
    throw new DtypeError(
      `a dtype must be one of ${known}; got number ${code} of LibTorch; convert the tensor`,
    );
  }
  return name;
}

export function isFloatingPoint(dtype: DType): boolean {
  return dtype === "float32" || dtype === "float64" || dtype === "bfloat16" || dtype === "float16";
}

const elementBytes: Readonly<Record<DType, number>> = {
  uint8: 1,
  int32: 4,
  int64: 8,
  float16: 2,
  float32: 4,
  float64: 8,
  bool: 1,
  bfloat16: 2,
};

export function bytesPerElement(dtype: DType): number {
  return elementBytes[dtype];
}
