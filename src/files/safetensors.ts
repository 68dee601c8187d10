import { type FileHandle, open } from "node:fs/promises";
import { writeFileAtomically } from "./atomic-file.ts";
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

/** A tensor read from a file: row-major little-endian bytes, in a buffer of its own. */
export interface TensorEntry extends TensorInfo {
  readonly data: Uint8Array<ArrayBuffer>;
}

/** A tensor to write; a function is called when its turn comes, so that not all need be in memory at once. */
export interface TensorSource extends TensorInfo {
  readonly data: Uint8Array | (() => Uint8Array | Promise<Uint8Array>);
}

/** Node refuses a single read or write of 2 GiB or more; whoever is shown the bytes should not be long at once. */
const TRANSFER_BYTES_MAX = 1 << 26;

const LENGTH_FIELD_BYTES = 8;

/**
 * Writes tensors and metadata as one safetensors file, whole or not at all.
 *
 * @param onBytes Is shown all bytes of the file in their order, as for a checksum.
 * @throws {SafetensorsError} on a repeated name, or data that does not fit its dtype and shape.
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
 * Reads and checks a file, then returns its tensors in the order of their bytes, all or those named.
 *
 * @throws {SafetensorsError} when anything in it contradicts the format, or a named tensor is not there.
 */
export async function readSafetensors(
  path: string,
  names?: readonly string[],
): Promise<{
  readonly tensors: readonly TensorEntry[];
  readonly metadata: Readonly<Record<string, string>>;
}> {
  const file = await open(path, "r");
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

/** Reads only what a file holds: names, dtypes, shapes, places and metadata, fully checked. */
export async function readSafetensorsHeader(path: string): Promise<SafetensorsHeader> {
  const file = await open(path, "r");
  try {
    return (await readHeader(path, file)).header;
  } finally {
    await file.close();
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
      `is not in the file, which holds ${header.tensors.length} others`,
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
