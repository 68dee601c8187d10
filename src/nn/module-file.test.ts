import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import { failOnLeaks } from "../../test/leak-guard.ts";
import { readSafetensors, writeSafetensors } from "../files/safetensors.ts";
import { Runtime } from "../tensor/runtime.ts";
import { Sequential } from "./containers.ts";
import { withSeed } from "./initial.ts";
import { BatchNorm1d } from "./layers/batch-norm.ts";
import { Linear } from "./layers/linear.ts";
import { Module } from "./module.ts";
import { loadModule, saveModule } from "./module-file.ts";

const runtime = Runtime.load();
failOnLeaks(runtime);
const folder = mkdtempSync(join(tmpdir(), "dualpipe-module-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const file = join(folder, "model.safetensors");

const modelOf = (seed: number, dtype: "float32" | "bfloat16" = "float32") =>
  withSeed(
    runtime,
    seed,
    () => new Sequential(runtime, new Linear(runtime, 2, 3, { dtype }), new Linear(runtime, 3, 1, { dtype })),
  );
const valuesOf = (module: Module) => module.namedParameters().map(([name, each]) => [name, each.toArray()]);

let model: Sequential;
let other: Sequential;
beforeEach(() => {
  [model, other] = [modelOf(1), modelOf(2)];
});
afterEach(() => {
  for (const each of [model, other]) each.dispose();
});

test("a module is saved and loaded in two lines", async () => {
  expect(valuesOf(other)).not.toEqual(valuesOf(model));
  await saveModule(file, model);
  expect(await loadModule(file, other)).toEqual({ missing: [], unexpected: [] });
  expect(valuesOf(other)).toEqual(valuesOf(model));
  expect((await readSafetensors(file)).metadata).toEqual({ format: "pt" });
});

test("buffers are saved and loaded, and counts keep their dtype", async () => {
  const normalized = () => new Sequential(runtime, new Linear(runtime, 2, 2), new BatchNorm1d(runtime, 2));
  using trained = normalized();
  using loaded = normalized();
  runtime.scope(() => {
    for (let i = 0; i < 3; i++) trained.call(runtime.randn([4, 2]));
  });
  const buffersOf = (module: Module) => module.namedBuffers().map(([name, each]) => [name, each.toArray()]);
  await saveModule(file, trained);
  await loadModule(file, loaded);
  expect(buffersOf(loaded)).toEqual(buffersOf(trained));
  expect(buffersOf(loaded).at(-1)).toEqual(["1.num_batches_tracked", [3]]);
  await saveModule(file, trained, { dtype: "float8_e5m2" });
  const dtypes = (await readSafetensors(file)).tensors.map(({ dtype }) => dtype);
  expect(dtypes.sort()).toEqual([...Array(6).fill("F8_E5M2"), "I64"]);
});

test.each(["float8_e4m3fn", "float8_e5m2", "bfloat16", "float64"] as const)(
  "a module is saved as %s and loaded into its own dtype",
  async (dtype) => {
    await saveModule(file, model, { dtype });
    await loadModule(file, other);
    const [saved, loaded] = [model, other].map((each) => each.parameters().flatMap((p) => p.toArray()));
    // Half of the last digit: 3 or 2 bits of the mantissa for float8, 7 for bfloat16; all of float32 in float64.
    const error = { float8_e4m3fn: 2 ** -4, float8_e5m2: 2 ** -3, bfloat16: 2 ** -8, float64: 0 }[dtype];
    saved!.forEach((value, i) => {
      expect(Math.abs(loaded![i]! - value)).toBeLessThanOrEqual(
        Math.max(Math.abs(value) * error, error && 2 ** -10),
      );
    });
    const names = { float8_e4m3fn: "F8_E4M3", float8_e5m2: "F8_E5M2", bfloat16: "BF16", float64: "F64" };
    expect((await readSafetensors(file)).tensors.map((each) => each.dtype)).toEqual(
      Array(4).fill(names[dtype]),
    );
  },
);

test.each([
  ["F8_E4M3", Uint8Array.of(0x38, 0xb8, 0x7e), [1, -1, 448]],
  ["F8_E5M2", Uint8Array.of(0x3c, 0xbc, 0x7b), [1, -1, 57344]],
  ["F8_E8M0", Uint8Array.of(0x7f, 0x80, 0x7e), [1, 2, 0.5]],
  ["F8_E4M3FNUZ", Uint8Array.of(0x40, 0xc0, 0), [1, -1, 0]],
  ["F8_E5M2FNUZ", Uint8Array.of(0x40, 0xc0, 0), [1, -1, 0]],
  ["I8", Uint8Array.of(1, 255, 128), [1, -1, -128]],
  ["I16", new Uint8Array(Int16Array.of(1, -1, 300).buffer), [1, -1, 300]],
  ["U16", new Uint8Array(Uint16Array.of(1, 65535, 300).buffer), [1, 65535, 300]],
  ["U32", new Uint8Array(Uint32Array.of(1, 65536, 300).buffer), [1, 65536, 300]],
] as const)("a file of another program with %s is loaded", async (dtype, data, values) => {
  using layer = new Linear(runtime, 3, 1, { bias: false });
  await writeSafetensors(file, [{ name: "weight", dtype, shape: [1, 3], data }]);
  await loadModule(file, layer);
  expect(layer.weight.toArray()).toEqual(values);
});

test("tied parameters are saved once", async () => {
  using layer = new Linear(runtime, 2, 2, { bias: false });
  using tied = new Sequential(
    runtime,
    layer,
    new Linear(runtime, 2, 2, { bias: false, weight: layer.weight }),
  );
  await saveModule(file, tied);
  expect((await readSafetensors(file)).tensors.map(({ name }) => name)).toEqual(["0.weight"]);
  expect((await loadModule(file, tied)).missing).toEqual([]);
});

test("a stage loads its own tensors from the file of a whole model", async () => {
  class Stage extends Module {
    readonly "1" = new Linear(this.runtime, 3, 1);
    forward(): never {
      throw new Error("not called");
    }
  }
  using stage = new Stage(runtime);
  await saveModule(file, model);
  await expect(loadModule(file, stage)).rejects.toThrow("unexpected: 0.weight");
  expect(await loadModule(file, stage, { strict: false })).toEqual({
    missing: [],
    unexpected: ["0.bias", "0.weight"],
  });
  expect(valuesOf(stage)).toEqual(valuesOf(model).slice(2));
});

describe("refuses", () => {
  test("a file that does not exist", async () => {
    await expect(loadModule(join(folder, "none"), model)).rejects.toMatchObject({
      code: "FILE_UNUSABLE",
      message: `dualpipe: ${folder}/none cannot be read: it does not exist (ENOENT)`,
    });
  });

  test("another model, and leaves the parameters as they were", async () => {
    const before = valuesOf(other);
    using small = new Sequential(runtime, new Linear(runtime, 2, 3), new Linear(runtime, 4, 1));
    await saveModule(file, small);
    await expect(loadModule(file, other)).rejects.toThrow(
      "1.weight: it is [1,4] in the state dict, [1,3] in the module",
    );
    expect(valuesOf(other)).toEqual(before);
  });

  test("to write a number that float8 does not have", async () => {
    using layer = new Linear(runtime, 1, 1, { bias: false });
    runtime.scope(() => layer.loadStateDict({ weight: runtime.full([1, 1], 500) }));
    await expect(saveModule(file, layer, { dtype: "float8_e4m3fn" })).rejects.toThrow(
      `dualpipe: ${file}: tensor "weight": it has numbers beyond the largest of float8_e4m3fn; scale it first, or save another dtype`,
    );
  });

  test("a dtype that it does not know", async () => {
    await expect(saveModule(file, model, { dtype: "float8_e4m3" as "float8_e4m3fn" })).rejects.toThrow(
      'got "float8_e4m3"; did you mean float8_e4m3fn?',
    );
  });

  test("a dtype that no parameter can have", async () => {
    using layer = new Linear(runtime, 1, 1, { bias: false });
    await writeSafetensors(file, [{ name: "weight", dtype: "C64", shape: [1, 1], data: new Uint8Array(8) }]);
    await expect(loadModule(file, layer)).rejects.toMatchObject({ code: "UNSUPPORTED_DTYPE" });
  });
});
