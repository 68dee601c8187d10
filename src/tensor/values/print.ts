// What `console.log(tensor)` shows: dtype, shape and values, as the array literal that would make them. A large tensor
// is cut down to its corners before it is read, so that printing one costs as little as printing a small one.
import * as kernels from "../kernels/index.ts";
import { describe } from "../shape.ts";
import type { Tensor } from "../tensor.ts";

/** A tensor with more elements is shown without its middle. */
const NUM_SHOWN_MAX = 1000;
/** The positions that are shown at each end of a dimension. */
const NUM_AT_EDGE = 3;
const LINE_COLUMNS = 80;

type Elements = ArrayLike<number | bigint>;

/**
 * The class, dtype, shape and values of a tensor: `Tensor float32[2, 2] [[1, 2], [3, 4]]`. Never throws.
 * @param read The elements of a tensor, in row-major order.
 * @param isBrief Leaves out the values.
 */
export function printTensor(tensor: Tensor, read: (tensor: Tensor) => Elements, isBrief: boolean): string {
  const name = tensor.constructor.name;
  if (tensor.disposed) return `${name} ${typeOfDisposed(tensor)}(disposed)`;
  try {
    const head = `${name} ${describe(tensor)}`;
    return isBrief ? `[${head}]` : `${head} ${valuesOf(tensor, read)}`;
  } catch (error) {
    return `${name} (${(error as Error).message})`;
  }
}

/** Shape and dtype outlive the elements if they were asked for before. */
function typeOfDisposed(tensor: Tensor): string {
  try {
    return `${describe(tensor)} `;
  } catch {
    return "";
  }
}

function valuesOf(tensor: Tensor, read: (tensor: Tensor) => Elements): string {
  const isCut = tensor.numElements > NUM_SHOWN_MAX;
  const corners = isCut ? cornersOf(tensor) : tensor;
  const elements = Array.from(read(corners) as ArrayLike<number>, elementFormat(tensor.dtype));
  const width = Math.max(0, ...elements.map(({ length }) => length));
  const hasGap = tensor.shape.map((size) => isCut && size > 2 * NUM_AT_EDGE);
  const oneLine = nested(elements, corners.shape, hasGap, 0, " ");
  if (oneLine.length <= LINE_COLUMNS) return oneLine;
  const aligned = elements.map((element) => element.padStart(width));
  return nested(aligned, corners.shape, hasGap, 0, "\n");
}

/** The first and the last positions of each long dimension, joined. */
function cornersOf(tensor: Tensor): Tensor {
  return tensor.shape.reduce((part, size, dim) => {
    if (size <= 2 * NUM_AT_EDGE) return part;
    const last = kernels.narrow(part, dim, size - NUM_AT_EDGE, NUM_AT_EDGE);
    return kernels.cat([kernels.narrow(part, dim, 0, NUM_AT_EDGE), last], dim);
  }, tensor);
}

/**
 * Elements as nested array literals.
 * @param hasGap For each dimension, whether positions between its ends are left out.
 * @param separator Between rows; a line break indents them below each other.
 */
function nested(
  elements: readonly string[],
  shape: readonly number[],
  hasGap: readonly boolean[],
  dim: number,
  separator: " " | "\n",
): string {
  const [size, ...inner] = shape;
  if (size === undefined) return elements[0]!;
  const numInner = elements.length / Math.max(1, size);
  const parts = Array.from({ length: size }, (_, i) =>
    nested(elements.slice(i * numInner, (i + 1) * numInner), inner, hasGap, dim + 1, separator),
  );
  if (hasGap[dim]) parts.splice(NUM_AT_EDGE, 0, "...");
  const isRow = inner.length === 0;
  return `[${parts.join(isRow || separator === " " ? ", " : `,\n${" ".repeat(dim + 1)}`)}]`;
}

function elementFormat(dtype: Tensor["dtype"]): (element: number | bigint) => string {
  if (dtype === "bool") return (element) => String(Boolean(element));
  // Five digits, like PyTorch's four decimals: enough to recognize a value, few enough to compare columns.
  return (element) => String(typeof element === "bigint" ? element : Number(element.toPrecision(5)));
}
