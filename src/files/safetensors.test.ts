import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  readSafetensors,
  readSafetensorsHeader,
  type SafetensorsDtype,
  SafetensorsError,
  type TensorEntry,
  writeSafetensors,
} from "./safetensors.ts";

let folder: string;
let path: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "safetensors-"));
  path = join(folder, "weights.safetensors");
});
afterAll(() => rmSync(folder, { recursive: true }));

const ELEMENT_BYTES: Record<SafetensorsDtype, number> = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U64: 8,
  U32: 4,
  U16: 2,
  U8: 1,
  BOOL: 1,
  C64: 8,
  F8_E4M3: 1,
  F8_E5M2: 1,
  F8_E8M0: 1,
  F8_E4M3FNUZ: 1,
  F8_E5M2FNUZ: 1,
};

const tensorArbitrary: fc.Arbitrary<TensorEntry> = fc
  .record({
    name: fc.oneof(
      fc.string({ unit: "grapheme" }),
      fc.constantFrom("__proto__", "7", '"\\', "h.0.attn.weight"),
    ),
    dtype: fc.constantFrom(...(Object.keys(ELEMENT_BYTES) as SafetensorsDtype[])),
    shape: fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 }),
  })
  .chain(({ name, dtype, shape }) => {
    const bytes = shape.reduce((product, size) => product * size, ELEMENT_BYTES[dtype]);
    return fc
      .uint8Array({ minLength: bytes, maxLength: bytes })
      .map((data) => ({ name, dtype, shape, data: Uint8Array.from(data) }));
  });

const tensorsArbitrary = fc.uniqueArray(tensorArbitrary, { selector: ({ name }) => name, maxLength: 6 });
/** JSON that can be read, but not written again. */
const DEEP = "[".repeat(100_000) + "]".repeat(100_000);

const metadataArbitrary = fc.dictionary(fc.string({ unit: "grapheme" }), fc.string({ unit: "grapheme" }));

function byName(tensors: readonly TensorEntry[]): TensorEntry[] {
  return [...tensors].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** A file with this header text, written by hand, and this many zero bytes of data. */
function writeRaw(header: string, dataBytes: number): void {
  const json = Buffer.from(header);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  writeFileSync(path, Buffer.concat([length, json, Buffer.alloc(dataBytes)]));
}

async function failure(promise: Promise<unknown>): Promise<SafetensorsError> {
  const error = await promise.then(
    () => expect.fail("must be rejected"),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(SafetensorsError);
  return error as SafetensorsError;
}

describe("writeSafetensors and readSafetensors", () => {
  it("return what was written, in aligned places", async () => {
    await fc.assert(
      fc.asyncProperty(tensorsArbitrary, metadataArbitrary, async (tensors, metadata) => {
        await writeSafetensors(path, tensors, metadata);
        const read = await readSafetensors(path);
        expect(byName(read.tensors)).toEqual(byName(tensors));
        expect(Object.entries(read.metadata).sort()).toEqual(Object.entries(metadata).sort());
        expect(readFileSync(path).readBigUInt64LE() % 8n).toBe(0n);
        for (const { begin, dtype } of (await readSafetensorsHeader(path)).tensors) {
          expect(begin % ELEMENT_BYTES[dtype]).toBe(0);
        }
      }),
      { numRuns: 100 },
    );
  });

  it("write the bytes of the public format", async () => {
    await writeSafetensors(
      path,
      [
        { name: "b", dtype: "U8", shape: [], data: Uint8Array.of(9) },
        { name: "a", dtype: "I16", shape: [1, 2], data: () => Uint8Array.of(1, 0, 2, 0) },
      ],
      { format: "pt" },
    );
    const header =
      '{"__metadata__":{"format":"pt"},"a":{"dtype":"I16","shape":[1,2],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[],"data_offsets":[4,5]}}';
    const padded = header.padEnd(Math.ceil(header.length / 8) * 8, " ");
    expect(readFileSync(path)).toEqual(
      Buffer.concat([
        Buffer.of(padded.length, 0, 0, 0, 0, 0, 0, 0),
        Buffer.from(padded),
        Buffer.of(1, 0, 2, 0, 9),
      ]),
    );
  });

  it("read only the tensors that are named", async () => {
    const data = new Uint8Array(4);
    await writeSafetensors(path, [
      { name: "a", dtype: "F32", shape: [1], data },
      { name: "b", dtype: "F32", shape: [1], data },
    ]);
    expect((await readSafetensors(path, ["b"])).tensors.map(({ name }) => name)).toEqual(["b"]);
    expect((await failure(readSafetensors(path, ["b", "c"]))).tensor).toBe("c");
  });

  it("keep the old file and leave no other when a write fails", async () => {
    const data = new Uint8Array(4);
    await writeSafetensors(path, [{ name: "old", dtype: "F32", shape: [1], data }]);
    const error = await failure(writeSafetensors(path, [{ name: "new", dtype: "F32", shape: [2], data }]));
    expect(error.message).toBe(`dualpipe: ${path}: tensor "new": F32 of shape [2] needs 8 bytes; got 4`);
    expect((await readSafetensors(path)).tensors[0]?.name).toBe("old");
    expect(readdirSync(folder)).toEqual(["weights.safetensors"]);
  });

  it("refuse to write a name twice, or the metadata's own", async () => {
    const tensor = { dtype: "U8", shape: [1], data: new Uint8Array(1) } as const;
    const twice = [
      { name: "a", ...tensor },
      { name: "a", ...tensor },
    ];
    expect((await failure(writeSafetensors(path, twice))).code).toBe("SAFETENSORS_DUPLICATE_NAME");
    const metadata = [{ name: "__metadata__", ...tensor }];
    expect((await failure(writeSafetensors(path, metadata))).code).toBe("SAFETENSORS_BAD_ENTRY");
  });
});

describe("readSafetensors rejects", () => {
  const f32 = (begin: number, end: number, shape = "[1]") =>
    `{"dtype":"F32","shape":${shape},"data_offsets":[${begin},${end}]}`;

  it.each([
    ["a header that is no JSON", "{'a'}", 0, "SAFETENSORS_BAD_HEADER", "not JSON"],
    ["a header that is no object", "[]", 0, "SAFETENSORS_BAD_HEADER", "object"],
    ["metadata of numbers", '{"__metadata__":{"n":1}}', 0, "SAFETENSORS_BAD_HEADER", 'got 1 for "n"'],
    ["deep metadata", `{"__metadata__":{"n":${DEEP}}}`, 0, "SAFETENSORS_BAD_HEADER", "is nested too deeply"],
    ["metadata that is deep", `{"__metadata__":${DEEP}}`, 0, "SAFETENSORS_BAD_HEADER", "nested too deeply"],
    ["a deep entry", `{"a":${DEEP}}`, 0, "SAFETENSORS_BAD_ENTRY", "nested too deeply"],
    ["an entry without a shape", '{"a":{"dtype":"F32"}}', 0, "SAFETENSORS_BAD_ENTRY", 'tensor "a"'],
    ["a negative size", `{"a":${f32(0, 4, "[-1]")}}`, 4, "SAFETENSORS_BAD_ENTRY", "[-1]"],
    [
      "sizes beyond safe integers",
      `{"a":${f32(0, 4, "[9e15,9e15]")}}`,
      4,
      "SAFETENSORS_BAD_ENTRY",
      "safe integer",
    ],
    [
      "an unknown dtype",
      `{"a":${f32(0, 4).replace("F32", "F9")}}`,
      4,
      "SAFETENSORS_UNKNOWN_DTYPE",
      "F64, I64",
    ],
    [
      "an inherited dtype",
      `{"a":${f32(0, 4).replace("F32", "toString")}}`,
      4,
      "SAFETENSORS_UNKNOWN_DTYPE",
      "toString",
    ],
    [
      "a name twice",
      `{"a":${f32(0, 4)} , "\\u0061" :${f32(0, 4)}}`,
      4,
      "SAFETENSORS_DUPLICATE_NAME",
      'tensor "a"',
    ],
    [
      "a size that does not fit",
      `{"a":${f32(0, 4, "[2]")}}`,
      4,
      "SAFETENSORS_WRONG_SIZE",
      "needs 8 bytes; got 4",
    ],
    ["overlapping tensors", `{"a":${f32(0, 4)},"b":${f32(2, 6)}}`, 6, "SAFETENSORS_BAD_OFFSETS", "overlap"],
    ["a gap", `{"a":${f32(0, 4)},"b":${f32(8, 12)}}`, 12, "SAFETENSORS_BAD_OFFSETS", "gap"],
    ["data too short", `{"a":${f32(0, 4)},"b":${f32(4, 8)}}`, 7, "SAFETENSORS_TRUNCATED", 'tensor "b"'],
    ["data too long", `{"a":${f32(0, 4)}}`, 5, "SAFETENSORS_BAD_OFFSETS", "5 bytes"],
  ])("%s", async (_, header, dataBytes, code, message) => {
    writeRaw(header, dataBytes);
    const error = await failure(readSafetensors(path));
    expect(error.code).toBe(code);
    expect(error.message).toContain(message);
    expect(error.message).toContain(path);
  });

  it("accepts names that repeat only at different depths", async () => {
    writeRaw(`{"dtype":${f32(0, 4)},"a\\":":${f32(4, 8)}}`, 8);
    expect((await readSafetensors(path)).tensors.map(({ name }) => name)).toEqual(["dtype", 'a":']);
  });

  it("a header longer than the format allows", async () => {
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(2n ** 63n);
    writeFileSync(path, length);
    expect((await failure(readSafetensors(path))).code).toBe("SAFETENSORS_HEADER_TOO_LARGE");
  });

  it("a file cut at any byte", async () => {
    await writeSafetensors(path, [{ name: "a", dtype: "F32", shape: [2], data: new Uint8Array(8) }]);
    const whole = readFileSync(path);
    for (let length = 0; length < whole.length; length++) {
      writeFileSync(path, whole.subarray(0, length));
      expect((await failure(readSafetensors(path))).code).toBe("SAFETENSORS_TRUNCATED");
    }
  });

  it("any change of a byte, or reads a file that still keeps the format's rules", async () => {
    await fc.assert(
      fc.asyncProperty(
        tensorsArbitrary,
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        async (tensors, at, flip) => {
          await writeSafetensors(path, tensors);
          const bytes = readFileSync(path);
          bytes[at % bytes.length]! ^= flip;
          writeFileSync(path, bytes);
          let read: Awaited<ReturnType<typeof readSafetensors>>;
          try {
            read = await readSafetensors(path);
          } catch (error) {
            expect(error).toBeInstanceOf(SafetensorsError);
            return;
          }
          const { tensors: spans } = await readSafetensorsHeader(path);
          const dataBytes = spans.at(-1)?.end ?? 0;
          expect(8 + Number(bytes.readBigUInt64LE()) + dataBytes).toBe(bytes.length);
          for (const { dtype, shape, data } of read.tensors) {
            expect(data.length).toBe(shape.reduce((product, size) => product * size, ELEMENT_BYTES[dtype]));
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});
