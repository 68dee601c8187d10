import type { ElementArray } from "../tensor/values/elements.ts";
import {
  arrayOf,
  type Column,
  type DataSet,
  type DataSetOrigin,
  numElementsOf,
  type TableColumn,
} from "./data-set.ts";

/** A data set whose columns are in memory, which threads share. */
export class Table implements DataSet {
  readonly numRows: number;
  readonly columns: Readonly<Record<string, Column>>;
  readonly origin: DataSetOrigin & { readonly kind: "table" };

  constructor(numRows: number, columns: Readonly<Record<string, TableColumn>>) {
    this.numRows = numRows;
    this.columns = columns;
    this.origin = { kind: "table", numRows, columns };
  }

  read(column: string, rows: readonly number[]): ElementArray {
    const { dtype, shape, elements } = this.origin.columns[column]!;
    const size = numElementsOf(shape);
    const taken = arrayOf(dtype, rows.length * size);
    rows.forEach((row, i) => {
      // The two have one class, which the compiler cannot see.
      taken.set(elements.subarray(row * size, (row + 1) * size) as never, i * size);
    });
    return taken;
  }
}
