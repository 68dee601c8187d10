import { checkTensor } from "../../tensor/argument.ts";
import type { DType } from "../../tensor/dtype.ts";
import { ShapeError } from "../../tensor/errors.ts";
import * as kernels from "../../tensor/kernels/index.ts";
import { dimension } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { record } from "../record.ts";

/** Joins tensors along a dimension that they have; all other sizes must agree. */
export function cat(tensors: readonly Tensor[], dim = 0): Tensor {
  const at = dimension("cat", first("cat", tensors), dim);
  const y = kernels.cat(tensors, at);
  let end = 0;
  const parts = tensors.map(({ shape, dtype }) => {
    const start = end;
    end += shape[at]!;
    return { start, size: shape[at]!, dtype };
  });
  return record("cat", tensors, y, [], ({ gradient: dy }) =>
    parts.map(
      ({ start, size, dtype }) =>
        () =>
          inDtype(dtype, kernels.narrow(dy, at, start, size)),
    ),
  );
}

/** Joins tensors of one shape along a new dimension. */
export function stack(tensors: readonly Tensor[], dim = 0): Tensor {
  const { shape } = first("stack", tensors);
  const at = dimension("stack", tensors[0]!, dim, shape.length + 1);
  const y = kernels.stack(tensors, at);
  const dtypes = tensors.map(({ dtype }) => dtype);
  return record("stack", tensors, y, [], ({ gradient: dy }) =>
    kernels.unbind(dy, at).map((gradient, i) => inDtype(dtypes[i]!, gradient)),
  );
}

/** Tensors of several dtypes are joined in the widest; each gets its gradient in its own. */
function inDtype(dtype: DType, gradient: Tensor): Tensor {
  return gradient.dtype === dtype ? gradient : kernels.toDtype(gradient, dtype);
}

function first(name: string, tensors: readonly Tensor[]): Tensor {
  if (tensors[0] === undefined) throw new ShapeError(`${name}: it needs at least one tensor; got none`);
  for (const [i, tensor] of tensors.entries()) checkTensor(name, `tensors[${i}]`, tensor);
  return tensors[0];
}
