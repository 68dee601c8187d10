/*
 * A safetensors file is eight bytes with the length of a header, a JSON header that gives each tensor a name, a dtype,
 * a shape and a range of bytes, and the bytes. It was made to be safe to read from strangers, which holds only for a
 * reader that believes nothing: here every claim of the header is checked against the file before a byte of data is
 * read. Names are unique, also where JSON.parse would silently keep the last of two; ranges have the size of their
 * shapes and fill the file without a gap or an overlap, so no byte is hidden and none is read twice.
 *
 * A model can be larger than memory. So a reader can ask for single tensors, a writer can give functions that are
 * called when a tensor's turn comes, and a checksum can be taken of the bytes as they pass.
 * Format: https://github.com/huggingface/safetensors
 */
import { type FileHandle, open } from "node:fs/promises";
import { writeFileAtomically } from "./atomic-file.ts";
import { fileErrorOf } from "./file-error.ts";
import { SafetensorsError } from "./safetensors-error.ts";
import {
  decodeHeader,
  encodeHeader,
  HEADER_BYTES_MAX,
  headerTooLarge,
  type SafetensorsDtype,
  type SafetensorsHeader,
  type TensorInfo,
  type TensorSpan,
  wrongSize,
} from "./safetensors-header.ts";

export { SafetensorsError, type SafetensorsErrorCode } from "./safetensors-error.ts";
export type { SafetensorsDtype, SafetensorsHeader, TensorInfo, TensorSpan };

/** A tensor that was read from a file: row-major little-endian bytes, in a buffer of its own. */
export interface TensorEntry extends TensorInfo {
  readonly data: Uint8Array<ArrayBuffer>;
}

/** A tensor to write. */
export interface TensorSource extends TensorInfo {
  /** A function is called when the tensor's turn comes, so that not all must be in memory at once. */
  readonly data: Uint8Array | (() => Uint8Array | Promise<Uint8Array>);
}

/** Node refuses a single read or write of 2 GiB or more, and `onBytes` should not block the event loop for long. */
const TRANSFER_BYTES_MAX = 1 << 26;

const LENGTH_FIELD_BYTES = 8;

/**
 * Writes tensors and metadata as a safetensors file, atomically.
 * @param onBytes Called with all bytes of the file, in order, as for a checksum.
 * @throws SafetensorsError when a name is repeated, or data does not fit its dtype and shape.
 */
export async function writeSafetensors(
  path: string,
  tensors: readonly TensorSource[],
  metadata: Readonly<Record<string, string>> = {},
  onBytes: (bytes: Uint8Array) => void = () => {},
): Promise<void> {
  const { bytes, spans } = encodeHeader(path, tensors, metadata);
  const sources = new Map(tensors.map((tensor) => [tensor.name, tensor.data]));
  await writeFileAtomically(path, async (file) => {
    await writeFully(file, bytes, onBytes);
    for (const span of spans) {
      const source = sources.get(span.name)!;
      const data = typeof source === "function" ? await source() : source;
      if (data.byteLength !== span.end - span.begin) {
        throw wrongSize(path, span, data.byteLength);
      }
      await writeFully(file, data, onBytes);
    }
  });
}

/**
 * Reads and checks a safetensors file.
 * @param names The tensors to read; all by default.
 * @returns The tensors in the order of their bytes.
 * @throws SafetensorsError when the file breaks the format, or a named tensor is missing; FileError when it cannot be
 * opened.
 */
export async function readSafetensors(
  path: string,
  names?: readonly string[],
): Promise<{
  readonly tensors: readonly TensorEntry[];
  readonly metadata: Readonly<Record<string, string>>;
}> {
  const file = await openToRead(path);
  try {
    const { header, dataStart } = await readHeader(path, file);
    const tensors: TensorEntry[] = [];
    for (const span of selectTensors(path, header, names)) {
      const { name, dtype, shape, begin, end } = span;
      const data = new Uint8Array(end - begin);
      await readFully(path, file, data, dataStart + begin, `tensor ${JSON.stringify(name)}`);
      tensors.push({ name, dtype, shape, data });
    }
    return { tensors, metadata: header.metadata };
  } finally {
    await file.close();
  }
}

/**
 * Reads and checks only the header: names, dtypes, shapes, byte ranges and metadata.
 * @throws SafetensorsError, FileError
 */
export async function readSafetensorsHeader(path: string): Promise<SafetensorsHeader> {
  const file = await openToRead(path);
  try {
    return (await readHeader(path, file)).header;
  } finally {
    await file.close();
  }
}

async function openToRead(path: string): Promise<FileHandle> {
  try {
    return await open(path, "r");
  } catch (error) {
    throw fileErrorOf(`${path} cannot be read`, error);
  }
}

async function readHeader(
  path: string,
  file: FileHandle,
): Promise<{ header: SafetensorsHeader; dataStart: number }> {
  const fileBytes = (await file.stat()).size;
  if (fileBytes < LENGTH_FIELD_BYTES) {
    throw truncated(
      path,
      `${fileBytes} bytes are too few for the length of a header (${LENGTH_FIELD_BYTES})`,
    );
  }
  const lengthField = Buffer.alloc(LENGTH_FIELD_BYTES);
  await readFully(path, file, lengthField, 0, "the header's length");
  const headerBytes = lengthField.readBigUInt64LE();
  if (headerBytes > HEADER_BYTES_MAX) {
    throw headerTooLarge(path, headerBytes);
  }
  const dataStart = LENGTH_FIELD_BYTES + Number(headerBytes);
  if (dataStart > fileBytes) {
    throw truncated(
      path,
      `the header should be ${headerBytes} bytes long, but only ${fileBytes - 8} follow its length`,
    );
  }
  const json = new Uint8Array(Number(headerBytes));
  await readFully(path, file, json, LENGTH_FIELD_BYTES, "the header");
  return { header: decodeHeader(path, json, fileBytes - dataStart), dataStart };
}

function selectTensors(
  path: string,
  header: SafetensorsHeader,
  names: readonly string[] | undefined,
): readonly TensorSpan[] {
  if (names === undefined) {
    return header.tensors;
  }
  const wanted = new Set(names);
  const found = header.tensors.filter(({ name }) => wanted.delete(name));
  for (const missing of wanted) {
    throw new SafetensorsError(
      "SAFETENSORS_BAD_ENTRY",
      path,
      `is not in the file, which has ${header.tensors.length} others`,
      missing,
    );
  }
  return found;
}

async function writeFully(
  file: FileHandle,
  data: Uint8Array,
  onBytes: (bytes: Uint8Array) => void,
): Promise<void> {
  let done = 0;
  while (done < data.byteLength) {
    const length = Math.min(data.byteLength - done, TRANSFER_BYTES_MAX);
    const { bytesWritten } = await file.write(data, done, length);
    onBytes(data.subarray(done, done + bytesWritten));
    done += bytesWritten;
  }
}

async function readFully(
  path: string,
  file: FileHandle,
  into: Uint8Array,
  position: number,
  what: string,
): Promise<void> {
  let done = 0;
  while (done < into.byteLength) {
    const length = Math.min(into.byteLength - done, TRANSFER_BYTES_MAX);
    const { bytesRead } = await file.read(into, done, length, position + done);
    if (bytesRead === 0) {
      throw truncated(path, `the file ended while ${what} was being read`);
    }
    done += bytesRead;
  }
}

function truncated(path: string, problem: string): SafetensorsError {
  return new SafetensorsError("SAFETENSORS_TRUNCATED", path, `${problem}; it was cut short`);
}
