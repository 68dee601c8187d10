import { DataSetError } from "./data-set.ts";

/** A row of a CSV file. */
export interface CsvRow {
  readonly fields: readonly string[];
  /** The line it begins in, from 1: a field in quotes may have several. */
  readonly line: number;
}

/**
 * Cuts a text as RFC 4180 says: a field in double quotes may have delimiters, line ends, and doubled quotes in it.
 * Empty lines, and a byte-order mark, are left out.
 * @param file Names the text in errors.
 * @throws DataSetError for a quote that does not end, or text behind one that does
 */
export function parseCsv(text: string, file: string, delimiter: string): CsvRow[] {
  const rows: CsvRow[] = [];
  let position = text.startsWith("\uFEFF") ? 1 : 0;
  let line = 1;
  while (position < text.length) {
    const fields: string[] = [];
    const firstLine = line;
    const start = position;
    for (;;) {
      const field =
        text[position] === '"'
          ? quotedField(text, position, file, line)
          : plainField(text, position, delimiter);
      fields.push(field.value);
      position = field.end;
      line += field.numLineEnds;
      if (text[position] !== delimiter) break;
      position++;
    }
    const isEmpty = position === start;
    if (text[position] === "\r" && text[position + 1] === "\n") position++;
    else if (position < text.length && text[position] !== "\n" && text[position] !== "\r")
      throw new DataSetError(
        "INVALID_DATA_SET",
        `${file}:${line}: a quoted field must end with its quote; got ${JSON.stringify(text.slice(position, position + 10))} behind it; double a quote that is a part of the field`,
      );
    position++;
    line++;
    if (!isEmpty) rows.push({ fields, line: firstLine });
  }
  return rows;
}

interface Field {
  readonly value: string;
  readonly end: number;
  readonly numLineEnds: number;
}

function plainField(text: string, start: number, delimiter: string): Field {
  let end = start;
  while (end < text.length && text[end] !== delimiter && text[end] !== "\n" && text[end] !== "\r") end++;
  return { value: text.slice(start, end), end, numLineEnds: 0 };
}

function quotedField(text: string, start: number, file: string, line: number): Field {
  let end = text.indexOf('"', start + 1);
  while (end !== -1 && text[end + 1] === '"') end = text.indexOf('"', end + 2);
  if (end === -1)
    throw new DataSetError(
      "INVALID_DATA_SET",
      `${file}:${line}: a quoted field begins here and does not end`,
    );
  const value = text.slice(start + 1, end).replaceAll('""', '"');
  return { value, end: end + 1, numLineEnds: value.split("\n").length - 1 };
}
