// A data set of a CSV file. A file is read by its user once and then for hours, so what is wrong in it is found before
// training, and each error has the file and the line. A field that is empty or no number is never taken for 0.
import { checkedOptions } from "../errors/option-error.ts";
import { closestName, didYouMean } from "../errors/suggestion.ts";
import { readTextFile } from "../files/text-file.ts";
import { type CsvRow, parseCsv } from "./csv-text.ts";
import { arrayOf, type ColumnDType, DataSetError, numElementsOf, type TableColumn } from "./data-set.ts";
import { Table } from "./table.ts";

/**
 * Where a column of a data set comes from: a field of each line, giving rows []; several, giving rows [n]; or the class
 * that a field names, as an int64.
 */
export type CsvColumn =
  | string
  | readonly string[]
  | { readonly from: string | readonly string[]; readonly dtype: ColumnDType }
  | {
      readonly classOf: string;
      /** The names of the classes, in order; by default all that the file has, sorted by their code units. */
      readonly classes?: readonly string[] | undefined;
    };

export interface CsvOptions {
  /** The columns by name. Fields have the names of the first line or, without a header, "0", "1" and so on. */
  readonly columns: Readonly<Record<string, CsvColumn>>;
  /** Whether the first line has names; true by default. */
  readonly header?: boolean | undefined;
  /** A comma by default. */
  readonly delimiter?: string | undefined;
}

/** The data set of a CSV file. */
export class CsvTable extends Table {
  /** The names of the classes of each column that has some; a class is a position in this list. */
  readonly classes: Readonly<Record<string, readonly string[]>>;

  constructor(
    numRows: number,
    columns: Readonly<Record<string, TableColumn>>,
    classes: Readonly<Record<string, readonly string[]>>,
  ) {
    super(numRows, columns);
    this.classes = classes;
  }
}

interface Source {
  readonly path: string;
  readonly names: readonly string[];
  readonly rows: readonly CsvRow[];
}

/**
 * Reads a CSV file (RFC 4180). Numbers are float32 unless a column says otherwise.
 * @throws FileError; DataSetError with the file and the line; OptionError
 *
 * @example
 * const set = csvData("iris.csv", {
 *   columns: { x: ["sepal_length", "sepal_width"], label: { classOf: "species" } },
 * });
 */
export function csvData(path: string, options: CsvOptions): CsvTable {
  const given = checkedOptions("csvData", options, ["columns", "header", "delimiter"]);
  const { columns, header = true, delimiter = "," } = given;
  const all = parseCsv(readTextFile("the data set", path), path, delimiter);
  const first = all[0];
  if (first === undefined || (header && all.length === 1))
    throw new DataSetError(
      "INVALID_DATA_SET",
      `${path} must have at least one row${header ? " after its header" : ""}; it has none`,
    );
  const source: Source = {
    path,
    names: header ? first.fields.map((name) => name.trim()) : first.fields.map((_, i) => `${i}`),
    rows: header ? all.slice(1) : all,
  };
  for (const { fields, line } of source.rows)
    if (fields.length !== first.fields.length)
      throw invalid(
        source,
        line,
        `a line must have as many fields as the first, ${first.fields.length}; got ${fields.length}`,
      );
  const classes: Record<string, readonly string[]> = {};
  const read = Object.entries(columns).map(([name, column]): [string, TableColumn] => {
    if (typeof column !== "string" && "classOf" in column) {
      const { elements, names } = readClasses(source, column);
      classes[name] = names;
      return [name, { dtype: "int64", shape: [], elements }];
    }
    return [name, readNumbers(source, column)];
  });
  return new CsvTable(source.rows.length, Object.fromEntries(read), classes);
}

function readNumbers(source: Source, column: Exclude<CsvColumn, { readonly classOf: string }>): TableColumn {
  const { from, dtype } =
    typeof column === "object" && "from" in column ? column : { from: column, dtype: "float32" as const };
  const names = typeof from === "string" ? [from] : from;
  const positions = names.map((name) => positionOf(source, name));
  const shape = typeof from === "string" ? [] : [names.length];
  const elements = arrayOf(dtype, source.rows.length * numElementsOf(shape), true);
  let count = 0;
  for (const row of source.rows)
    positions.forEach((position, i) => {
      elements[count++] = numberIn(source, row, position, names[i]!, dtype);
    });
  return { dtype, shape, elements };
}

function numberIn(
  source: Source,
  { fields, line }: CsvRow,
  position: number,
  name: string,
  dtype: ColumnDType,
): number | bigint {
  const text = fields[position]!.trim();
  const value = text === "" ? Number.NaN : Number(text);
  if (Number.isNaN(value))
    throw invalid(source, line, `${name} must be a number; got ${JSON.stringify(text)}`);
  if (dtype === "float32" || dtype === "float64") return value;
  const [least, most] = WHOLE[dtype];
  const isWhole = /^[+-]?\d+$/.test(text);
  const whole = isWhole ? BigInt(text.replace(/^\+/, "")) : 0n;
  if (!isWhole || whole < least || whole > most)
    throw invalid(
      source,
      line,
      `${name} must be a whole number that ${dtype} has; got ${JSON.stringify(text)}`,
    );
  return dtype === "int64" ? whole : Number(whole);
}

const WHOLE = {
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
  int32: [-(2n ** 31n), 2n ** 31n - 1n],
  uint8: [0n, 255n],
} as const;

function readClasses(
  source: Source,
  { classOf, classes }: { readonly classOf: string; readonly classes?: readonly string[] | undefined },
): { elements: BigInt64Array; names: readonly string[] } {
  const position = positionOf(source, classOf);
  const values = source.rows.map(({ fields }) => fields[position]!.trim());
  const names = classes ?? [...new Set(values)].sort();
  const indices = new Map(names.map((name, i) => [name, BigInt(i)]));
  const elements = arrayOf("int64", values.length, true) as BigInt64Array;
  values.forEach((value, i) => {
    const index = indices.get(value);
    if (index === undefined || value === "")
      throw invalid(
        source,
        source.rows[i]!.line,
        `${classOf} must be ${value === "" ? "the name of a class" : `one of ${names.join(", ")}`}; got ${JSON.stringify(value)}`,
      );
    elements[i] = index;
  });
  return { elements, names };
}

function positionOf({ path, names }: Source, name: string): number {
  const position = names.indexOf(name);
  if (position === -1)
    throw new DataSetError(
      "INVALID_DATA_SET",
      `${path}:1: there is no field ${name}${didYouMean(closestName(name, names))}; the fields are ${names.join(", ")}`,
    );
  return position;
}

function invalid({ path }: Source, line: number, problem: string): DataSetError {
  return new DataSetError("INVALID_DATA_SET", `${path}:${line}: ${problem}`);
}
