// Weights that the last update has made useless are never saved, and a checkpoint that has some is not used.
import { createHash } from "node:crypto";
import { existsSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { readSafetensors, writeSafetensors } from "../../src/files/safetensors.ts";
import { readManifest, writeManifest } from "../../src/trainer/checkpoint/manifest.ts";
import { TrainingRun } from "./training-run.ts";

const run = new TrainingRun();
afterAll(() => run[Symbol.dispose]());

/** The gradients are finite, and the rate makes weights of them with which no loss is. */
const DESTROYED = [
  "optimizer={kind: sgd, learningRate: 1.0e+37, gradientClip: 0}",
  "learningRateSchedule={kind: constant, warmupSteps: 0}",
  "training.steps=1",
  "sample.numTokens=0",
];

test.each([0, 1])(
  "a run whose update destroys the weights ends with an error, with everySteps %i",
  async (everySteps) => {
    const name = `destroyed-${everySteps}`;
    const overrides = [...DESTROYED, `checkpoint.everySteps=${everySteps}`];
    await expect(run.train(name, overrides)).rejects.toMatchObject({
      code: "NON_FINITE_WEIGHTS",
      message: expect.stringMatching(
        /after step 1, the loss of the next batch is NaN.*lower optimizer.learningRate/,
      ),
    });
    expect(existsSync(join(run.dir(name), "model.safetensors"))).toBe(false);
    const checkpoints = join(run.dir(name), "checkpoints");
    expect(existsSync(checkpoints) ? run.checkpoints(name) : []).toEqual([]);
  },
);

/** Puts a NaN into a part of a checkpoint, with checksums that fit. */
async function spoil(folder: string): Promise<void> {
  const manifest = await readManifest(folder);
  const file = manifest.files.find(({ name }) => name.startsWith("rank-"))!;
  const path = join(folder, file.name);
  const { tensors } = await readSafetensors(path);
  const tensor = tensors.find(({ dtype }) => dtype === "F32")!;
  new Float32Array(tensor.data.buffer)[0] = Number.NaN;
  const hash = createHash("sha256");
  await writeSafetensors(path, tensors, { format: "pt" }, (bytes) => hash.update(bytes));
  const spoiled = { ...file, bytes: statSync(path).size, sha256: hash.digest("hex") };
  await writeManifest(folder, {
    ...manifest,
    files: manifest.files.map((each) => (each === file ? spoiled : each)),
  });
}

test("a checkpoint with numbers that are not finite is passed over for the one before", async () => {
  await run.train("good", ["checkpoint.everySteps=5"]);
  run.copy("good", "spoiled");
  rmSync(join(run.dir("spoiled"), "model.safetensors"));
  await spoil(join(run.dir("spoiled"), "checkpoints", "step-000015"));
  await run.train("spoiled", ["checkpoint.everySteps=5"], true);
  expect(run.lines.join("")).toMatch(/has numbers that are infinite or NaN; passing over step-000015/);
  expect(run.lines.join("")).toContain("resuming after step 10");
  expect(await run.weights("spoiled")).toBe(await run.weights("good"));
});
