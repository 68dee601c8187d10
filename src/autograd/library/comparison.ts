/** Comparisons of each element, with a tensor that broadcasts or a number: bool tensors, without a gradient. */
import { EQ, LT } from "../../tensor/kernels/elementwise.ts";
import { operator } from "../../tensor/native-operator.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { withoutGradient } from "./differentiable.ts";

const EQ_SCALAR = operator("aten::eq", "Scalar");
const NE_TENSOR = operator("aten::ne", "Tensor");
const NE_SCALAR = operator("aten::ne", "Scalar");
const LT_SCALAR = operator("aten::lt", "Scalar");
const LE_TENSOR = operator("aten::le", "Tensor");
const LE_SCALAR = operator("aten::le", "Scalar");
const GT_TENSOR = operator("aten::gt", "Tensor");
const GT_SCALAR = operator("aten::gt", "Scalar");
const GE_TENSOR = operator("aten::ge", "Tensor");
const GE_SCALAR = operator("aten::ge", "Scalar");
const LOGICAL_AND = operator("aten::logical_and");
const LOGICAL_OR = operator("aten::logical_or");
const LOGICAL_NOT = operator("aten::logical_not");
const ISNAN = operator("aten::isnan");
const ISFINITE = operator("aten::isfinite");

/** True where a is equal to b. */
export function eq(a: Tensor, b: Tensor | number): Tensor {
  return typeof b === "number" ? withoutGradient(EQ_SCALAR, a, b) : withoutGradient(EQ, a, b);
}

/** True where a is not equal to b. */
export function ne(a: Tensor, b: Tensor | number): Tensor {
  return typeof b === "number" ? withoutGradient(NE_SCALAR, a, b) : withoutGradient(NE_TENSOR, a, b);
}

/** True where a is less than b. */
export function lt(a: Tensor, b: Tensor | number): Tensor {
  return typeof b === "number" ? withoutGradient(LT_SCALAR, a, b) : withoutGradient(LT, a, b);
}

/** True where a is less than or equal to b. */
export function le(a: Tensor, b: Tensor | number): Tensor {
  return typeof b === "number" ? withoutGradient(LE_SCALAR, a, b) : withoutGradient(LE_TENSOR, a, b);
}

/** True where a is greater than b. */
export function gt(a: Tensor, b: Tensor | number): Tensor {
  return typeof b === "number" ? withoutGradient(GT_SCALAR, a, b) : withoutGradient(GT_TENSOR, a, b);
}

/** True where a is greater than or equal to b. */
export function ge(a: Tensor, b: Tensor | number): Tensor {
  return typeof b === "number" ? withoutGradient(GE_SCALAR, a, b) : withoutGradient(GE_TENSOR, a, b);
}

/** True where both are true, or not 0. */
export function logicalAnd(a: Tensor, b: Tensor): Tensor {
  return withoutGradient(LOGICAL_AND, a, b);
}

/** True where either is true, or not 0. */
export function logicalOr(a: Tensor, b: Tensor): Tensor {
  return withoutGradient(LOGICAL_OR, a, b);
}

/** True where x is false, or 0. */
export function logicalNot(x: Tensor): Tensor {
  return withoutGradient(LOGICAL_NOT, x);
}

/** True where x is not a number. */
export function isnan(x: Tensor): Tensor {
  return withoutGradient(ISNAN, x);
}

/** True where x is neither infinite nor NaN. */
export function isfinite(x: Tensor): Tensor {
  return withoutGradient(ISFINITE, x);
}
