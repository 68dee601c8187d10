import { DualPipeError } from "../errors/dualpipe-error.ts";
import type { ElementArray } from "../tensor/values/elements.ts";

export type DataSetErrorCode =
  /** A file, an array or a row of a data set cannot be used; the message names the file, and the line if it has one. */
  | "INVALID_DATA_SET"
  /** The thread that reads ahead has ended, or takes too long. */
  | "PREFETCH_FAILED";

/** A data set cannot be used. */
export class DataSetError extends DualPipeError<DataSetErrorCode> {
  override readonly name = "DataSetError";
}

export type ColumnDType = "float32" | "float64" | "int64" | "int32" | "uint8";

/** What a data set has for each row, such as an image or a label. */
export interface Column {
  readonly dtype: ColumnDType;
  /** The shape of one row. */
  readonly shape: readonly number[];
}

/** Rows that a `DataLoader` takes its batches from. */
export interface DataSet {
  readonly numRows: number;
  readonly columns: Readonly<Record<string, Column>>;
  /** The elements of some rows of a column, [rows, ...shape], in an array that is not used again. */
  read(column: string, rows: readonly number[]): ElementArray;
  /** What another thread can make the same data set of; without it, a loader cannot read ahead. */
  readonly origin?: DataSetOrigin;
}

/** A data set as plain data, with the elements of columns in memory that threads share. */
export type DataSetOrigin =
  | {
      readonly kind: "table";
      readonly numRows: number;
      readonly columns: Readonly<Record<string, TableColumn>>;
    }
  | {
      readonly kind: "images";
      readonly paths: readonly string[];
      readonly labels: readonly number[];
      readonly size: ImageSize;
    };

/** The elements of all rows of a column. */
export interface TableColumn extends Column {
  readonly elements: ElementArray;
}

/** What each image of a folder is read as, [channels, height, width]. */
export interface ImageSize {
  readonly channels: 1 | 3 | 4;
  readonly height: number;
  readonly width: number;
}

export function numElementsOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** An array of this length, in memory that threads share or not. */
export function arrayOf(dtype: ColumnDType, numElements: number, isShared = false): ElementArray {
  const array = {
    float32: Float32Array,
    float64: Float64Array,
    int64: BigInt64Array,
    int32: Int32Array,
    uint8: Uint8Array,
  }[dtype];
  if (!isShared) return new array(numElements);
  const memory = new SharedArrayBuffer(numElements * array.BYTES_PER_ELEMENT);
  return new array(memory as unknown as ArrayBuffer);
}
