import type { DType } from "../../tensor/dtype.ts";
import * as kernels from "../../tensor/kernels/index.ts";
import { sameShape } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { record, type Saved } from "../record.ts";
import type { NamedSave } from "../saved-tensors.ts";

/** What a gradient must look like to be that of an input. */
export interface InputForm {
  readonly shape: readonly number[];
  readonly dtype: DType;
}

/**
 * Records an operation on two tensors that are broadcast against each other, elementwise. The rule gives
 * gradients as if a and b had the shape and dtype of the result; here they are brought to those of a and b.
 */
export function recordBroadcast<Saves extends Readonly<Record<string, NamedSave<"a" | "b">>>>(
  name: string,
  { a, b }: { readonly a: Tensor; readonly b: Tensor },
  y: Tensor,
  saves: Saves,
  differentiate: (dy: Tensor, saved: Saved<Saves>) => { readonly a: () => Tensor; readonly b: () => Tensor },
): Tensor {
  if (a.dtype === b.dtype && sameShape(a.shape, b.shape))
    return record(name, { a, b }, y, saves, differentiate);
  const [formA, formB] = [formOf(a), formOf(b)];
  return record(name, { a, b }, y, saves, (dy, saved) => {
    const gradients = differentiate(dy, saved);
    return { a: () => reduceTo(formA, gradients.a()), b: () => reduceTo(formB, gradients.b()) };
  });
}

export function formOf(x: Tensor): InputForm {
  return { shape: x.shape, dtype: x.dtype };
}

/** The gradient of an input that was broadcast or promoted: summed over its copies, in its own dtype. */
export function reduceTo(form: InputForm, gradient: Tensor): Tensor {
  let reduced = gradient;
  if (!sameShape(reduced.shape, form.shape)) reduced = kernels.sumToSize(reduced, form.shape);
  if (reduced.dtype !== form.dtype) reduced = kernels.toDtype(reduced, form.dtype);
  return reduced;
}
