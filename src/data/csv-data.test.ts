import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { FileError } from "../files/file-error.ts";
import { type CsvOptions, csvData } from "./csv-data.ts";
import { parseCsv } from "./csv-text.ts";
import { DataSetError } from "./data-set.ts";

const folder = mkdtempSync(join(tmpdir(), "dualpipe-csv-"));
afterAll(() => rmSync(folder, { recursive: true }));
const path = join(folder, "a.csv");

function read(text: string, columns: CsvOptions["columns"], options: Partial<CsvOptions> = {}) {
  writeFileSync(path, text);
  return csvData(path, { columns, ...options });
}

test("whatever is written as RFC 4180 says is read back, with the line of each row", () => {
  const field = fc.string({ unit: fc.constantFrom("a", "1", ",", '"', "\n", "\r", " ", ";") });
  const rows = fc
    .integer({ min: 1, max: 4 })
    .chain((numFields) =>
      fc.array(fc.array(field, { minLength: numFields, maxLength: numFields }), { maxLength: 5 }),
    );
  fc.assert(
    fc.property(rows, fc.constantFrom(",", ";"), fc.constantFrom("\n", "\r\n"), (rows, delimiter, end) => {
      const quoted = (value: string) => `"${value.replaceAll('"', '""')}"`;
      const lines = rows.map((fields) => fields.map(quoted).join(delimiter));
      const parsed = parseCsv(lines.join(end), "a.csv", delimiter);
      expect(parsed.map(({ fields }) => fields)).toEqual(rows);
      let line = 1;
      parsed.forEach((row, i) => {
        expect(row.line).toBe(line);
        line += lines[i]!.split("\n").length;
      });
    }),
  );
});

test("numbers, several fields and classes become columns", () => {
  const text = '\uFEFFa, b ,kind,"n ""q"""\r\n1,2.5,cat,9007199254740993\r\n\r\n-3,1e3,dog,-4\r\n';
  const set = read(text, {
    x: ["b", "a"],
    one: "a",
    label: { classOf: "kind" },
    known: { classOf: "kind", classes: ["dog", "cow", "cat"] },
    exact: { from: 'n "q"', dtype: "int64" },
    wide: { from: ["a"], dtype: "float64" },
  });
  expect(set.numRows).toBe(2);
  expect(set.columns).toMatchObject({
    x: { dtype: "float32", shape: [2] },
    one: { dtype: "float32", shape: [] },
    label: { dtype: "int64", shape: [] },
    wide: { dtype: "float64", shape: [1] },
  });
  expect(set.read("x", [1, 0])).toEqual(Float32Array.of(1000, -3, 2.5, 1));
  expect(set.read("one", [0, 1, 1])).toEqual(Float32Array.of(1, -3, -3));
  expect(set.read("label", [0, 1])).toEqual(BigInt64Array.of(0n, 1n));
  expect(set.read("known", [0, 1])).toEqual(BigInt64Array.of(2n, 0n));
  expect(set.read("exact", [0, 1])).toEqual(BigInt64Array.of(9007199254740993n, -4n));
  expect(set.classes).toEqual({ label: ["cat", "dog"], known: ["dog", "cow", "cat"] });
});

test("without a header, fields are counted", () => {
  const set = read("1;2\n3;4", { y: "1" }, { header: false, delimiter: ";" });
  expect(set.read("y", [0, 1])).toEqual(Float32Array.of(2, 4));
});

test.each<[string, string, CsvOptions["columns"], string]>([
  ["no number", 'a,b\n1,"x\ny"\n2,z', { b: "b" }, 'a.csv:2: b must be a number; got "x\\ny"'],
  [
    "a line after a field of two lines",
    'a,b\n"1\n",1\n2,z',
    { b: "b" },
    'a.csv:4: b must be a number; got "z"',
  ],
  ["an empty field", "a,b\n1,\n", { b: "b" }, 'a.csv:2: b must be a number; got ""'],
  [
    "too few fields",
    "a,b\n1,2\n\n3\n",
    { a: "a" },
    "a.csv:4: a line must have as many fields as the first, 2; got 1",
  ],
  [
    "an unknown field",
    "alpha\n1",
    { a: "alpa" },
    "a.csv:1: there is no field alpa; did you mean alpha?; the fields are alpha",
  ],
  [
    "an unknown class",
    "k\nx\ny",
    { k: { classOf: "k", classes: ["x"] } },
    'a.csv:3: k must be one of x; got "y"',
  ],
  [
    "a class without a name",
    "k,l\nx,\n",
    { l: { classOf: "l" } },
    'a.csv:2: l must be the name of a class; got ""',
  ],
  [
    "a fraction",
    "k\n1.5",
    { k: { from: "k", dtype: "int64" } },
    'a.csv:2: k must be a whole number that int64 has; got "1.5"',
  ],
  [
    "a large number",
    "k\n256",
    { k: { from: "k", dtype: "uint8" } },
    'k must be a whole number that uint8 has; got "256"',
  ],
  ["an open quote", 'k,l\n1,2\n3,"4\n', { k: "k" }, "a.csv:3: a quoted field begins here and does not end"],
  [
    "text behind a quote",
    'k\n"1"2\n',
    { k: "k" },
    'a.csv:2: a quoted field must end with its quote; got "2\\n"',
  ],
  ["no rows", "k\n", { k: "k" }, "a.csv must have at least one row after its header; it has none"],
])("%s is refused with its line", (_, text, columns, message) => {
  expect(() => read(text, columns)).toThrow(DataSetError);
  expect(() => read(text, columns)).toThrow(message);
});

test("a file that does not exist is named, and so is an option", () => {
  expect(() => csvData(join(folder, "none.csv"), { columns: {} })).toThrow(FileError);
  expect(() => csvData(path, { column: {} } as never)).toThrow("did you mean columns?");
});
