/** Comparisons of each element, with a tensor that broadcasts or a number: bool tensors, without a gradient. */
import { EQ, LT } from "../../tensor/kernels/elementwise.ts";
import { operator } from "../../tensor/native-operator.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { differentiable } from "./differentiable.ts";

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
const MINIMUM = operator("aten::minimum");

/** True where a is equal to b. */
export function eq(a: Tensor, b: Tensor | number): Tensor {
  return typeof b === "number" ? differentiable(EQ_SCALAR, a, b) : differentiable(EQ, a, b);
}

/** True where a is not equal to b. */
export function ne(a: Tensor, b: Tensor | number): Tensor {
  return typeof b === "number" ? differentiable(NE_SCALAR, a, b) : differentiable(NE_TENSOR, a, b);
}

/** True where a is less than b. */
export function lt(a: Tensor, b: Tensor | number): Tensor {
  return typeof b === "number" ? differentiable(LT_SCALAR, a, b) : differentiable(LT, a, b);
}

/** True where a is less or equal to b. */
export function le(a: Tensor, b: Tensor | number): Tensor {
  return typeof b === "number" ? differentiable(LE_SCALAR, a, b) : differentiable(LE_TENSOR, a, b);
}

/** True where a is greater than b. */
export function gt(a: Tensor, b: Tensor | number): Tensor {
  return typeof b === "number" ? differentiable(GT_SCALAR, a, b) : differentiable(GT_TENSOR, a, b);
}

/** True where a is greater or equal to b. */
export function ge(a: Tensor, b: Tensor | number): Tensor {
  return typeof b === "number" ? differentiable(GE_SCALAR, a, b) : differentiable(GE_TENSOR, a, b);
}

/** True where both are true, or not 0. */
export function logicalAnd(a: Tensor, b: Tensor): Tensor {
  return differentiable(LOGICAL_AND, a, b);
}

/** True where one of both is true, or not 0. */
export function logicalOr(a: Tensor, b: Tensor): Tensor {
  return differentiable(LOGICAL_OR, a, b);
}

/** True where x is false, or 0. */
export function logicalNot(x: Tensor): Tensor {
  return differentiable(LOGICAL_NOT, x);
}

/** True where x is not a number. */
export function isnan(x: Tensor): Tensor {
  return differentiable(ISNAN, x);
}

/** True where x is neither infinite nor NaN. */
export function isfinite(x: Tensor): Tensor {
  return differentiable(ISFINITE, x);
}

/** The smaller of two elements; where they are equal, each gets half of the gradient. */
export function minimum(a: Tensor, b: Tensor): Tensor {
  return differentiable(MINIMUM, a, b);
}
