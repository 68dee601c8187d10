import { type DType, dtypeCode } from "../../tensor/dtype.ts";
import { operator } from "../../tensor/native-operator.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { sameShape } from "./shape-mismatch.ts";

const SUM_TO_SIZE = operator("aten::sum_to_size");
const TO_DTYPE = operator("aten::to", "dtype");

/** What a gradient must look like to be that of an input. */
interface InputForm {
  readonly shape: readonly number[];
  readonly dtype: DType;
}

export function formOf(x: Tensor): InputForm {
  return { shape: x.shape, dtype: x.dtype };
}

/** The forms of two inputs that are broadcast against each other; null when they are alike, and the gradient too then. */
export function formsOf(a: Tensor, b: Tensor): readonly [InputForm | null, InputForm | null] {
  if (a.dtype === b.dtype && sameShape(a.shape, b.shape)) return [null, null];
  return [formOf(a), formOf(b)];
}

/** The gradient of an input that was broadcast or promoted: summed over its copies, in its own dtype. */
export function reduceTo(form: InputForm | null, gradient: Tensor): Tensor {
  if (form === null) return gradient;
  const { runtime } = gradient;
  let reduced = gradient;
  if (!sameShape(reduced.shape, form.shape)) reduced = runtime.call(SUM_TO_SIZE, reduced, form.shape);
  if (reduced.dtype !== form.dtype) reduced = runtime.call(TO_DTYPE, reduced, dtypeCode(form.dtype));
  return reduced;
}
