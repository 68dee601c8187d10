import { OptionError } from "../errors/option-error.ts";
import { flatten, type NestedNumbers } from "../tensor/values/numbers.ts";
import { arrayOf, type ColumnDType, DataSetError, numElementsOf, type TableColumn } from "./data-set.ts";
import { Table } from "./table.ts";

type TypedArray = Float32Array | Float64Array | BigInt64Array | Int32Array | Uint8Array;

/** The elements of a column in row-major order, and its shape with the number of rows first. */
export interface ShapedArray {
  readonly elements: TypedArray;
  readonly shape: readonly number[];
}

/** A column: one number for each row, nested arrays with the rows outside, or elements with a shape. */
export type ArrayColumn = TypedArray | ShapedArray | readonly NestedNumbers[];

/**
 * A data set of arrays, by the names of its columns. They are copied, into memory that threads share. A typed array
 * keeps its dtype; nested numbers are float32, or what `dtypes` says.
 * @throws DataSetError for columns of different numbers of rows; ShapeError for nested arrays of different lengths;
 * ArgumentError for what is no number; OptionError
 *
 * @example
 * const set = arrayData({ x: [[0, 0], [0, 1], [1, 0], [1, 1]], label: [0, 1, 1, 0] }, { label: "int64" });
 */
export function arrayData(
  columns: Readonly<Record<string, ArrayColumn>>,
  dtypes: Readonly<Record<string, ColumnDType>> = {},
): Table {
  for (const name of Object.keys(dtypes))
    if (columns[name] === undefined)
      throw new OptionError(
        `arrayData has no column ${name} to give a dtype; its columns are ${Object.keys(columns).join(", ")}`,
      );
  const entries = Object.entries(columns).map(
    ([name, column]) => [name, readColumn(name, column, dtypes[name])] as const,
  );
  const [first] = entries;
  if (first === undefined)
    throw new DataSetError("INVALID_DATA_SET", "a data set must have at least one column; got none");
  const numRows = first[1].numRows;
  for (const [name, column] of entries)
    if (column.numRows !== numRows)
      throw new DataSetError(
        "INVALID_DATA_SET",
        `the columns of a data set must have one number of rows; got ${numRows} in ${first[0]} and ${column.numRows} in ${name}`,
      );
  return new Table(numRows, Object.fromEntries(entries));
}

function readColumn(
  name: string,
  column: ArrayColumn,
  dtype?: ColumnDType,
): TableColumn & { numRows: number } {
  const given = isTyped(column)
    ? { elements: column, shape: [column.length] }
    : "elements" in column
      ? column
      : flatten(column);
  const { elements, shape } = given;
  const [numRows, ...rest] = shape;
  if (numRows === undefined || numElementsOf(shape) !== elements.length)
    throw new DataSetError(
      "INVALID_DATA_SET",
      `the shape of the column ${name} must have a size for the rows and take all elements; ` +
        `got [${shape.join(", ")}] for ${elements.length} elements`,
    );
  const kept = dtype ?? (isTyped(column) || "elements" in column ? dtypeOf(elements) : "float32");
  const copy = arrayOf(kept, elements.length, true);
  for (let i = 0; i < elements.length; i++) {
    const element = elements[i]!;
    const isWhole = typeof element === "bigint" || Number.isInteger(element);
    copy[i] = kept === "int64" ? (isWhole ? BigInt(element) : 0n) : Number(element);
    if (!kept.startsWith("float") && Number(copy[i]) !== Number(element))
      throw new DataSetError(
        "INVALID_DATA_SET",
        `the elements of the column ${name} must be whole numbers that ${kept} has; got ${element} as element ${i}`,
      );
  }
  return { dtype: kept, shape: rest, elements: copy, numRows };
}

function isTyped(column: object): column is TypedArray {
  return ArrayBuffer.isView(column) && !(column instanceof DataView);
}

function dtypeOf(elements: TypedArray): ColumnDType {
  if (elements instanceof Float32Array) return "float32";
  if (elements instanceof Float64Array) return "float64";
  if (elements instanceof BigInt64Array) return "int64";
  if (elements instanceof Int32Array) return "int32";
  if (elements instanceof Uint8Array) return "uint8";
  throw new DataSetError(
    "INVALID_DATA_SET",
    `a column must be a Float32Array, Float64Array, BigInt64Array, Int32Array or Uint8Array; got ${(elements as object).constructor.name}`,
  );
}
