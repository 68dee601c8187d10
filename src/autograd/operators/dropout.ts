import { dtypeCode } from "../../tensor/dtype.ts";
import { operator } from "../../tensor/native-operator.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { record } from "../graph.ts";

const EMPTY_LIKE = operator("aten::empty_like");
const BERNOULLI_INPLACE = operator("aten::bernoulli_", "float");
/** `gradient * mask * scale`, which is the forward too. `native_dropout` would draw from the process-wide generator. */
const MASK_AND_SCALE = operator("aten::native_dropout_backward");

/**
 * Sets elements to 0 with this probability, by the runtime's own generator, and divides the others by what is left.
 * Srivastava et al., 2014.
 * @throws RangeError when the probability is not in [0, 1).
 */
export function dropout(x: Tensor, probability: number): Tensor {
  if (!(probability >= 0 && probability < 1))
    throw new RangeError(`dualpipe: dropout: the probability must be in [0, 1); got ${probability}`);
  if (probability === 0) return x;
  const { runtime } = x;
  const kept = 1 - probability;
  const mask = runtime.call(EMPTY_LIKE, x, dtypeCode("bool"));
  runtime.callInPlace(BERNOULLI_INPLACE, mask, kept);
  const y = runtime.call(MASK_AND_SCALE, x, mask, 1 / kept);
  record("dropout", [x], [y], [[mask, 0]], (node) => [
    runtime.call(MASK_AND_SCALE, node.gradient, node.saved(0), 1 / kept),
  ]);
  return y;
}
