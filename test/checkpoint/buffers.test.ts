// Checkpoints of a model with buffers: they are restored on any layout, and a checkpoint without them is refused.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DualPipeV } from "../../src/engine/dualpipe.ts";
import { readSafetensors, readSafetensorsHeader, writeSafetensors } from "../../src/files/safetensors.ts";
import { runRanks } from "../../src/launch/run-ranks.ts";
import { ModuleBuffer } from "../../src/nn/module-buffer.ts";
import { Runtime } from "../../src/tensor/runtime.ts";
import { loadPart } from "../../src/trainer/checkpoint/rank-part.ts";
import { CheckpointStore, partsOf, readCheckpoint } from "../../src/trainer/checkpoint/store.ts";
import { parseConfig } from "../../src/trainer/config/config.ts";
import { exportModel } from "../../src/trainer/export-model.ts";
import { InProcessGroup } from "../../src/transport/in-process/in-process-group.ts";
import { type BuffersResult, type BuffersRun, NamedStage, stateOf } from "./buffers-rank.ts";

const PROGRAM = new URL("./buffers-rank.ts", import.meta.url);
const MIRRORED = { schedule: "dualpipe", numReplicas: 1 };
const BUFFER_NAMES = ["mask", "norm.running_mean", "norm.running_var", "norm.num_batches_tracked"];

const folder = mkdtempSync(join(tmpdir(), "dualpipe-buffers-"));
afterAll(() => rmSync(folder, { recursive: true }));

const run = (numRanks: number, data: BuffersRun) => runRanks<BuffersResult>(PROGRAM, { numRanks, data });

/** The checkpoint after two steps, its parts, and what the ranks had then. */
let checkpoint: string;
let parts: readonly string[];
let saved: readonly BuffersResult[];

beforeAll(async () => {
  saved = await run(2, { ...MIRRORED, numSteps: 2, saveIn: folder });
  const manifest = {
    format: "dualpipe-checkpoint",
    version: 1,
    step: 2,
    data: { sequences: 0, tokensSha256: "0".repeat(64) },
    config: parseConfig(""),
  } as const;
  const files = saved.flatMap(({ files }) => files);
  checkpoint = await new CheckpointStore(folder).complete({ manifest, files, tokenizer: "{}" }, 1);
  parts = partsOf(checkpoint, await readCheckpoint(checkpoint));
});

const namesOf = (stage: number) => BUFFER_NAMES.map((name) => `stages.${stage}.${name}`);

test("each buffer is in one part, and in the final weights and the export under its name", async () => {
  const headers = await Promise.all(parts.map(readSafetensorsHeader));
  const buffers = headers.map(({ tensors }) =>
    tensors.flatMap(({ name }) => (name.startsWith("buffer/") ? [name] : [])).sort(),
  );
  expect(buffers).toEqual(
    [0, 1].map((stage) =>
      namesOf(stage)
        .map((name) => `buffer/${name}`)
        .sort(),
    ),
  );
  const all = Object.keys(saved[0]!.held).sort();
  expect(saved.flatMap(({ weights }) => weights).sort()).toEqual(all);
  const target = join(folder, "export");
  await exportModel(checkpoint, target, () => {});
  const exported = await readSafetensorsHeader(join(target, "model.safetensors"));
  expect(exported.tensors.map(({ name }) => name).sort()).toEqual(all);
});

test("a resumed run has the parameters and buffers of one that was not interrupted, bit for bit", async () => {
  const [whole, resumed] = [
    await run(2, { ...MIRRORED, numSteps: 4 }),
    await run(2, { ...MIRRORED, numSteps: 2, from: parts }),
  ];
  expect(whole[0]!.held["stages.0.norm.num_batches_tracked"]).toEqual([16]);
  expect(resumed).toEqual(whole);
});

test.each([
  [{ schedule: "1f1b", numReplicas: 1 }, 2],
  [{ schedule: "dualpipev", numReplicas: 1 }, 1],
  [{ schedule: "dualpipe", numReplicas: 2 }, 4],
])("%j on %i ranks loads the buffers of two mirrors", async (layout, numRanks) => {
  for (const { held } of await run(numRanks, { ...layout, numSteps: 0, from: parts }))
    for (const [name, values] of Object.entries(held)) expect(values, name).toEqual(saved[0]!.held[name]);
});

/** Loads parts into a model whose mask of stage 1 is another. */
async function load(files: readonly string[], mask?: (runtime: Runtime) => ModuleBuffer): Promise<void> {
  const runtime = Runtime.load();
  using first = new NamedStage(runtime, 0);
  using second = new NamedStage(runtime, 1);
  if (mask) Object.assign(second.stages[1]!, { mask: mask(runtime) });
  const processGroup = new InProcessGroup(runtime, { name: "load", rank: 0, size: 1 });
  const pipe = new DualPipeV([first, second], { processGroup });
  await loadPart(files, stateOf(runtime, 0, pipe, [first, second]), false);
}

test("a checkpoint without the buffers is refused, with their names", async () => {
  const tensors = (await Promise.all(parts.map((path) => readSafetensors(path)))).flatMap(
    (each) => each.tensors,
  );
  const path = join(folder, "without.safetensors");
  await writeSafetensors(
    path,
    tensors.filter(({ name }) => !name.startsWith("buffer/")),
  );
  const missing = [0, 1].flatMap(namesOf).map((name) => `  missing: ${name}`);
  await expect(load([path])).rejects.toThrow(
    `the state dict does not fit the model that the checkpoint is loaded into:\n${missing.join("\n")}\n`,
  );
});

test.each<[string, (runtime: Runtime) => ModuleBuffer, string]>([
  [
    "shape",
    (runtime) => new ModuleBuffer(runtime.zeros([4], "float64")),
    "it is [3] in the state dict, [4] in the module",
  ],
  [
    "dtype",
    (runtime) => new ModuleBuffer(runtime.zeros([3])),
    "it is float64 in the state dict, float32 in the module",
  ],
])("so is one with another %s", async (_, mask, problem) => {
  await expect(load(parts, mask)).rejects.toThrow(`:\n  stages.1.mask: ${problem}\n`);
  await load(parts);
});
