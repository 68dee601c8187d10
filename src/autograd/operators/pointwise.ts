import { operator } from "../../tensor/native-operator.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { record } from "../graph.ts";
import { recordPointwise } from "./record-pointwise.ts";

const NEG = operator("aten::neg");
const MUL = operator("aten::mul", "Tensor");
const MUL_NUMBER = operator("aten::mul", "Scalar");
const ADD_NUMBER = operator("aten::add", "Scalar");
const DIV = operator("aten::div", "Tensor");
const POW_NUMBER = operator("aten::pow", "Tensor_Scalar");
const ZEROS_LIKE = operator("aten::zeros_like");
const EXP = operator("aten::exp");
const LOG = operator("aten::log");
const SQRT = operator("aten::sqrt");
const RSQRT = operator("aten::rsqrt");
const ABS = operator("aten::abs");
const SIGN = operator("aten::sgn");

/** `-x`. */
export function neg(x: Tensor): Tensor {
  const y = x.runtime.call(NEG, x);
  record("neg", [x], [y], [], (node) => [node.runtime.call(NEG, node.gradient)]);
  return y;
}

/** `factor * x`. */
export function scale(x: Tensor, factor: number): Tensor {
  const y = x.runtime.call(MUL_NUMBER, x, factor);
  record("scale", [x], [y], [], (node) => [node.runtime.call(MUL_NUMBER, node.gradient, factor)]);
  return y;
}

/** `x + number`. */
export function addScalar(x: Tensor, number: number): Tensor {
  const y = x.runtime.call(ADD_NUMBER, x, number);
  record("addScalar", [x], [y], [], (node) => [node.gradient]);
  return y;
}

/** `x^exponent`, elementwise. */
export function pow(x: Tensor, exponent: number): Tensor {
  return recordPointwise("pow", x, x.runtime.call(POW_NUMBER, x, exponent), x, (runtime, gradient, input) => {
    // The general formula makes 0 * infinity, which is no number, at x = 0.
    if (exponent === 0) return runtime.call(ZEROS_LIKE, gradient);
    const slope = runtime.call(MUL_NUMBER, runtime.call(POW_NUMBER, input, exponent - 1), exponent);
    return runtime.call(MUL, gradient, slope);
  });
}

/** `e^x`, elementwise. */
export function exp(x: Tensor): Tensor {
  const y = x.runtime.call(EXP, x);
  return recordPointwise("exp", x, y, y, (runtime, gradient, output) => runtime.call(MUL, gradient, output));
}

/** The natural logarithm, elementwise. */
export function log(x: Tensor): Tensor {
  return recordPointwise("log", x, x.runtime.call(LOG, x), x, (runtime, gradient, input) =>
    runtime.call(DIV, gradient, input),
  );
}

/** The square root, elementwise. */
export function sqrt(x: Tensor): Tensor {
  const y = x.runtime.call(SQRT, x);
  return recordPointwise("sqrt", x, y, y, (runtime, gradient, output) =>
    runtime.call(DIV, gradient, runtime.call(MUL_NUMBER, output, 2)),
  );
}

/** `1 / sqrt(x)`, elementwise. */
export function rsqrt(x: Tensor): Tensor {
  const y = x.runtime.call(RSQRT, x);
  return recordPointwise("rsqrt", x, y, y, (runtime, gradient, output) =>
    runtime.call(MUL, runtime.call(MUL_NUMBER, gradient, -0.5), runtime.call(POW_NUMBER, output, 3)),
  );
}

/** The absolute value, elementwise; its gradient at 0 is 0. */
export function abs(x: Tensor): Tensor {
  return recordPointwise("abs", x, x.runtime.call(ABS, x), x, (runtime, gradient, input) =>
    runtime.call(MUL, gradient, runtime.call(SIGN, input)),
  );
}
