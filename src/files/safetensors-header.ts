/**
 * The header of a safetensors file: from tensors to bytes and back, without a file.
 *
 * A header is written by strangers and read by us, and a wrong one does its damage later: a range that overlaps another
 * gives one tensor the bytes of two, and a gap hides data. So `decodeHeader` returns only what holds for the file as a
 * whole. After it, every name is unique, every dtype is known, every range has exactly the bytes of its shape, and the
 * ranges in order fill the data from its first byte to its last. Readers of the data need no check of their own.
 *
 * `encodeHeader` writes what `decodeHeader` accepts. It pads the header to 8 bytes and puts larger elements first, so
 * that each tensor in a mapped file is aligned to its element.
 */
import { shown } from "../errors/shown.ts";
import { firstDuplicateKey } from "./json-keys.ts";
import { SafetensorsError } from "./safetensors-error.ts";

const BYTES_PER_ELEMENT = {
  C64: 8,
  F64: 8,
  I64: 8,
  U64: 8,
  F32: 4,
  I32: 4,
  U32: 4,
  F16: 2,
  BF16: 2,
  I16: 2,
  U16: 2,
  F8_E4M3: 1,
  F8_E5M2: 1,
  F8_E8M0: 1,
  F8_E4M3FNUZ: 1,
  F8_E5M2FNUZ: 1,
  I8: 1,
  U8: 1,
  BOOL: 1,
} as const;

export type SafetensorsDtype = keyof typeof BYTES_PER_ELEMENT;

/** A tensor's entry in the header. */
export interface TensorInfo {
  readonly name: string;
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
}

/** A tensor's entry with its byte range, from `begin` to `end`, counted from the end of the header. */
export interface TensorSpan extends TensorInfo {
  readonly begin: number;
  readonly end: number;
}

export interface SafetensorsHeader {
  readonly tensors: readonly TensorSpan[];
  readonly metadata: Readonly<Record<string, string>>;
}

const METADATA_KEY = "__metadata__";

/** The format's own limit, so that no file can make a reader allocate more for a header. */
export const HEADER_BYTES_MAX = 100_000_000;

const DATA_ALIGNMENT_BYTES = 8;

/**
 * Lays tensors out one after another. Those with larger elements come first, then by name, so that each tensor is
 * aligned to its element.
 * @returns The header, with its length field, and the byte range of each tensor.
 */
export function encodeHeader(
  file: string,
  infos: readonly TensorInfo[],
  metadata: Readonly<Record<string, string>>,
): { readonly bytes: Uint8Array; readonly spans: readonly TensorSpan[] } {
  const sorted = [...infos].sort(
    (a, b) => BYTES_PER_ELEMENT[b.dtype] - BYTES_PER_ELEMENT[a.dtype] || (a.name < b.name ? -1 : 1),
  );
  const spans: TensorSpan[] = [];
  const names = new Set<string>();
  const entries: string[] = [];
  if (Object.keys(metadata).length > 0) {
    checkMetadata(file, metadata);
    entries.push(`${JSON.stringify(METADATA_KEY)}:${JSON.stringify(metadata)}`);
  }
  let offset = 0;
  for (const { name, dtype, shape } of sorted) {
    if (names.has(name)) {
      throw new SafetensorsError(
        "SAFETENSORS_DUPLICATE_NAME",
        file,
        "is given twice; names must be unique",
        name,
      );
    }
    names.add(name);
    if (name === METADATA_KEY) {
      throw new SafetensorsError(
        "SAFETENSORS_BAD_ENTRY",
        file,
        "this name is reserved for the file's metadata",
        name,
      );
    }
    const span = { name, dtype, shape, begin: offset, end: offset + byteSize(file, name, dtype, shape) };
    offset = span.end;
    spans.push(span);
    entries.push(
      `${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [span.begin, span.end] })}`,
    );
  }
  const json = Buffer.from(`{${entries.join(",")}}`, "utf8");
  const paddedLength = Math.ceil(json.length / DATA_ALIGNMENT_BYTES) * DATA_ALIGNMENT_BYTES;
  if (paddedLength > HEADER_BYTES_MAX) {
    throw headerTooLarge(file, paddedLength);
  }
  const bytes = Buffer.alloc(8 + paddedLength, " ");
  bytes.writeBigUInt64LE(BigInt(paddedLength), 0);
  json.copy(bytes, 8);
  return { bytes, spans };
}

/**
 * Reads the JSON of a header and checks it completely.
 * @param dataBytes The number of bytes that follow the header in the file.
 * @throws SafetensorsError
 */
export function decodeHeader(file: string, json: Uint8Array, dataBytes: number): SafetensorsHeader {
  const text = decodeText(file, json);
  const root = parseJson(file, text);
  if (!isObject(root)) {
    throw new SafetensorsError("SAFETENSORS_BAD_HEADER", file, "the header must be a JSON object");
  }
  const duplicate = firstDuplicateKey(text);
  if (duplicate !== undefined) {
    throw new SafetensorsError("SAFETENSORS_DUPLICATE_NAME", file, "is in the header twice", duplicate);
  }
  const metadata = Object.hasOwn(root, METADATA_KEY) ? root[METADATA_KEY] : {};
  checkMetadata(file, metadata);
  const tensors = Object.entries(root)
    .filter(([name]) => name !== METADATA_KEY)
    .map(([name, entry]) => decodeEntry(file, name, entry))
    .sort((a, b) => a.begin - b.begin || a.end - b.end);
  checkContiguous(file, tensors, dataBytes);
  return { tensors, metadata };
}

export function headerTooLarge(file: string, headerBytes: number | bigint): SafetensorsError {
  return new SafetensorsError(
    "SAFETENSORS_HEADER_TOO_LARGE",
    file,
    `the header would be ${headerBytes} bytes long, more than the format's limit of ${HEADER_BYTES_MAX}; is this a safetensors file?`,
  );
}

function decodeText(file: string, json: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(json);
  } catch {
    throw new SafetensorsError(
      "SAFETENSORS_BAD_HEADER",
      file,
      "the header is not UTF-8; is this a safetensors file?",
    );
  }
}

function parseJson(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new SafetensorsError(
      "SAFETENSORS_BAD_HEADER",
      file,
      `the header is not JSON (${(error as Error).message}); is this a safetensors file?`,
    );
  }
}

function checkMetadata(file: string, metadata: unknown): asserts metadata is Record<string, string> {
  const bad = isObject(metadata)
    ? Object.entries(metadata).find(([, value]) => typeof value !== "string")
    : ["", metadata];
  if (bad !== undefined) {
    throw new SafetensorsError(
      "SAFETENSORS_BAD_HEADER",
      file,
      `${METADATA_KEY} must map strings to strings; got ${shown(bad[1])} for ${shown(bad[0])}`,
    );
  }
}

function decodeEntry(file: string, name: string, entry: unknown): TensorSpan {
  const { dtype, shape, data_offsets: offsets } = isObject(entry) ? entry : {};
  if (typeof dtype !== "string" || !isSizes(shape) || !isSizes(offsets) || offsets.length !== 2) {
    throw new SafetensorsError(
      "SAFETENSORS_BAD_ENTRY",
      file,
      `needs a dtype, a shape and two data_offsets, all whole numbers from 0; got ${shown(entry)}`,
      name,
    );
  }
  if (!Object.hasOwn(BYTES_PER_ELEMENT, dtype)) {
    throw new SafetensorsError(
      "SAFETENSORS_UNKNOWN_DTYPE",
      file,
      `dtype ${shown(dtype)} is unknown; known are ${Object.keys(BYTES_PER_ELEMENT).join(", ")}`,
      name,
    );
  }
  const [begin, end] = offsets as [number, number];
  const span = { name, dtype: dtype as SafetensorsDtype, shape, begin, end };
  const needed = byteSize(file, name, span.dtype, shape);
  if (end - begin !== needed) {
    throw wrongSize(file, span, end - begin);
  }
  return span;
}

/** Checks that the tensors fill the data exactly: no gap, no overlap, nothing left over. */
function checkContiguous(file: string, tensors: readonly TensorSpan[], dataBytes: number): void {
  let expected = 0;
  for (const { name, begin, end } of tensors) {
    if (begin !== expected) {
      throw new SafetensorsError(
        "SAFETENSORS_BAD_OFFSETS",
        file,
        `begins at byte ${begin}, but must begin at ${expected}, where the tensor before it ends (${begin < expected ? "they overlap" : "there is a gap"})`,
        name,
      );
    }
    if (end > dataBytes) {
      throw new SafetensorsError(
        "SAFETENSORS_TRUNCATED",
        file,
        `ends at byte ${end} of the data, but the file has only ${dataBytes}; it was cut short`,
        name,
      );
    }
    expected = end;
  }
  if (expected !== dataBytes) {
    throw new SafetensorsError(
      "SAFETENSORS_BAD_OFFSETS",
      file,
      `${dataBytes} bytes of data follow the header, but its tensors fill ${expected}`,
    );
  }
}

/** The number of bytes of a tensor with this dtype and shape. */
function byteSize(file: string, name: string, dtype: SafetensorsDtype, shape: readonly number[]): number {
  const bytes = shape.reduce((product, size) => product * size, BYTES_PER_ELEMENT[dtype]);
  if (!isSizes(shape) || !Number.isSafeInteger(bytes)) {
    throw new SafetensorsError(
      "SAFETENSORS_BAD_ENTRY",
      file,
      `its shape must be whole numbers from 0 whose product is a safe integer; got [${shape.join(", ")}]`,
      name,
    );
  }
  return bytes;
}

export function wrongSize(
  file: string,
  { name, dtype, shape }: TensorInfo,
  actual: number,
): SafetensorsError {
  return new SafetensorsError(
    "SAFETENSORS_WRONG_SIZE",
    file,
    `${dtype} of shape [${shape.join(", ")}] needs ${byteSize(file, name, dtype, shape)} bytes; got ${actual}`,
    name,
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}
