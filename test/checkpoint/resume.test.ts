import { readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readSafetensors, type TensorEntry, writeSafetensors } from "../../src/files/safetensors.ts";
import { exportModel } from "../../src/trainer/export-model.ts";
import { TrainingRun } from "./training-run.ts";

const run = new TrainingRun();
const EVERY = "checkpoint.everySteps=5";
const otherText = join(run.folder, "other.txt");
writeFileSync(
  otherText,
  Array(40).fill("eight seven six five four three two one ".repeat(20)).join("<|endoftext|>"),
);

/** An undisturbed run, with checkpoints after the steps 10 and 15. */
beforeAll(async () => {
  await run.train("whole", [EVERY]);
});
afterAll(() => run[Symbol.dispose]());

const newest = (name: string, file: string) => join(run.dir(name), "checkpoints", "step-000015", file);

function removeNewest(name: string): void {
  rmSync(newest(name, ""), { recursive: true });
}

async function tensorsOf(path: string): Promise<Map<string, TensorEntry>> {
  const { tensors } = await readSafetensors(path);
  return new Map(tensors.map((tensor) => [tensor.name, tensor]));
}

const numbersOf = ({ data }: TensorEntry): Float32Array => new Float32Array(data.buffer);

test("checkpoints change nothing in a run, and the newest are kept", async () => {
  await run.train("plain");
  expect(await run.weights("whole")).toBe(await run.weights("plain"));
  expect(run.metrics("whole")).toEqual(run.metrics("plain"));
  expect(run.checkpoints("whole")).toEqual(["step-000010", "step-000015"]);
});

test("a resumed run has the weights and metrics of one that was not interrupted, bit for bit", async () => {
  run.copy("whole", "resumed");
  removeNewest("resumed");
  rmSync(join(run.dir("resumed"), "model.safetensors"));
  await run.train("resumed", [EVERY], true);
  expect(run.lines.join("")).toContain("resuming after step 10");
  expect(await run.weights("resumed")).toBe(await run.weights("whole"));
  expect(run.metrics("resumed")).toEqual(run.metrics("whole"));
});

test("a run in bfloat16 resumes bit for bit, because its checkpoints have the float32 weights", async () => {
  const short = ["training.dtype=bfloat16", EVERY];
  await run.train("short", short);
  run.copy("short", "short-resumed");
  removeNewest("short-resumed");
  rmSync(join(run.dir("short-resumed"), "model.safetensors"));
  await run.train("short-resumed", short, true);
  expect(await run.weights("short-resumed")).toBe(await run.weights("short"));
  expect(run.metrics("short-resumed")).toEqual(run.metrics("short"));
  const { tensors } = await readSafetensors(newest("short", "rank-00000.safetensors"));
  expect(tensors.some(({ name, dtype }) => name.endsWith(".master") && dtype === "F32")).toBe(true);
});

test.each(["adam", "lion", "rmsprop", "adagrad"])(
  "a run with the optimizer %s resumes bit for bit",
  async (kind) => {
    const options = [`optimizer={kind: ${kind}, learningRate: 0.003}`, EVERY];
    await run.train(kind, options);
    const resumed = `${kind}-resumed`;
    run.copy(kind, resumed);
    removeNewest(resumed);
    rmSync(join(run.dir(resumed), "model.safetensors"));
    await run.train(resumed, options, true);
    expect(run.lines.join("")).toContain("resuming after step 10");
    expect(await run.weights(resumed)).toBe(await run.weights(kind));
    expect(await run.weights(resumed)).not.toBe(await run.weights("whole"));
    const losses = run.metrics(kind).filter((metric) => metric.kind === "train");
    expect(losses.at(-1)!.loss).toBeLessThan(losses[0]!.loss);
  },
);

describe("random numbers", () => {
  // The whole batch of eight micro-batches, over two replicas.
  const random = ["model.dropout=0.2", "pipeline.replicas=2", "pipeline.microBatches=4", EVERY];

  test("go on where they were: a resumed run with dropout is that which was not interrupted", async () => {
    await run.train("random", random);
    run.copy("random", "random-resumed");
    removeNewest("random-resumed");
    rmSync(join(run.dir("random-resumed"), "model.safetensors"));
    await run.train("random-resumed", random, true);
    expect(await run.weights("random-resumed")).toBe(await run.weights("random"));
    expect(run.metrics("random-resumed")).toEqual(run.metrics("random"));
    expect(await run.weights("random")).not.toBe(await run.weights("whole"));
  });

  test("are other ones on other ranks, whose run is none the less trained on", async () => {
    run.copy("random", "random-moved");
    removeNewest("random-moved");
    rmSync(join(run.dir("random-moved"), "model.safetensors"));
    await run.train("random-moved", ["model.dropout=0.2", EVERY], true);
    expect(run.metrics("random-moved").slice(0, -3)).not.toEqual(run.metrics("random").slice(0, -3));
    expect(run.metrics("random-moved").map(({ step }) => step)).toEqual(
      run.metrics("random").map(({ step }) => step),
    );
  });
});

describe("a damaged checkpoint is told of and the one before is taken", () => {
  const damages: readonly (readonly [string, (name: string) => void])[] = [
    ["a file cut short", (name) => truncateSync(newest(name, "rank-00001.safetensors"), 3000)],
    ["a flipped bit of a tensor", (name) => flip(newest(name, "rank-00000.safetensors"), 200_000)],
  ];

  test.each(damages)("%s", async (what, damage) => {
    const name = `damaged by ${what}`;
    run.copy("whole", name);
    damage(name);
    await run.train(name, [EVERY], true);
    expect(run.lines.join("")).toMatch(/step-000015\/.*(bytes|checksum)[\s\S]*resuming after step 10/);
    expect(await run.weights(name)).toBe(await run.weights("whole"));
    expect(run.checkpoints(name)).toEqual(["damaged-step-000015", "step-000010", "step-000015"]);
  });
});

function flip(path: string, position: number): void {
  const bytes = readFileSync(path);
  bytes[position]! ^= 1;
  writeFileSync(path, bytes);
}

test("a run whose checkpoints are all damaged does not silently start over", async () => {
  run.copy("whole", "lost");
  for (const step of ["step-000010", "step-000015"])
    rmSync(join(run.dir("lost"), "checkpoints", step, "manifest.json"));
  await expect(run.train("lost", [], true)).rejects.toMatchObject({ code: "CHECKPOINT_DAMAGED" });
});

const layoutOf = (schedule: string, ranks: number, replicas = 1) => [
  `pipeline.schedule=${schedule}`,
  `pipeline.ranks=${ranks}`,
  `pipeline.replicas=${replicas}`,
  `pipeline.microBatches=${8 / replicas}`,
];

async function finalTensors(...names: string[]): Promise<Map<string, TensorEntry>[]> {
  return Promise.all(names.map((name) => tensorsOf(join(run.dir(name), "model.safetensors"))));
}

test.each([
  ["dualpipe", 4, 1],
  ["dualpipev", 2, 1],
  ["1f1b", 1, 1],
  ["dualpipe", 2, 2],
  ["gpipe", 1, 4],
])(
  "%s on %i ranks, x %i, loads the weights of a checkpoint bit for bit",
  async (schedule, ranks, replicas) => {
    const name = `loaded-${schedule}-${ranks}-${replicas}`;
    run.copy("whole", name);
    rmSync(join(run.dir(name), "model.safetensors"));
    await run.train(name, layoutOf(schedule, ranks, replicas), true);
    const [here, there] = await finalTensors(name, "whole");
    expect([...here!.keys()].sort()).toEqual([...there!.keys()].sort());
    for (const [key, { data }] of here!) expect([key, data]).toEqual([key, there!.get(key)!.data]);
  },
);

test.each([
  ["dualpipev", 2, 1],
  ["1f1b", 1, 1],
  ["dualpipe", 2, 2],
])(
  "%s on %i ranks, x %i, goes on as the run would have, to 1e-3 of a weight",
  async (schedule, ranks, replicas) => {
    const name = `continued-${schedule}-${ranks}-${replicas}`;
    run.copy("whole", name);
    removeNewest(name);
    rmSync(join(run.dir(name), "model.safetensors"));
    await run.train(name, layoutOf(schedule, ranks, replicas), true);
    const [here, there] = await finalTensors(name, "whole");
    for (const [key, tensor] of here!) {
      const expected = numbersOf(there!.get(key)!);
      numbersOf(tensor).forEach((value, i) => {
        if (Math.abs(value - expected[i]!) > 1e-3) expect([key, i, value]).toEqual([key, i, expected[i]]);
      });
    }
  },
);

test("two replicas train as one pipeline with the whole batch: the same first loss, and later ones to 1e-5", async () => {
  await run.train("replicas", layoutOf("dualpipe", 2, 2));
  const [two, one] = [run.metrics("replicas"), run.metrics("whole")];
  expect(two.map(({ kind, step }) => [kind, step])).toEqual(one.map(({ kind, step }) => [kind, step]));
  two.forEach(({ loss }, i) => {
    expect(Math.abs(loss - one[i]!.loss)).toBeLessThan(1e-5);
  });
});

describe("what does not belong together is refused", () => {
  test("a new run where there are checkpoints", async () => {
    const before = run.metrics("whole");
    await expect(run.train("whole")).rejects.toMatchObject({
      code: "OUTPUT_EXISTS",
      message: expect.stringContaining("--resume"),
    });
    expect(run.metrics("whole")).toEqual(before);
  });

  test.each([
    ["model.hiddenSize=64", "model.hiddenSize must be 32 as in the checkpoint; got 64"],
    ["training.microBatchSize=2", "must be 8 as in the checkpoint; got 16"],
    ["training.steps=14", "training.steps must be at least the 15 steps that are done; got 14"],
    ["optimizer={kind: sgd}", "optimizer.kind must be adamw as in the checkpoint; got sgd"],
    [`data.source=${otherText}`, "other text"],
    ["data.validationFraction=0.3", "data.validationFraction must be 0.2 as in the checkpoint; got 0.3"],
  ])("%s", async (override, message) => {
    await expect(run.train("whole", [override], true)).rejects.toMatchObject({
      code: "CHECKPOINT_MISMATCH",
      message: expect.stringContaining(message),
    });
  });
});

test("an export is one model, with the blocks' matrices as GPT-2 has them", async () => {
  const [fromRun, fromCheckpoint] = [run.dir("export-run"), run.dir("export-checkpoint")];
  await exportModel(run.dir("whole"), fromRun, () => {});
  await exportModel(newest("whole", ""), fromCheckpoint, () => {});
  const [a, b, ours] = await Promise.all(
    [fromRun, fromCheckpoint, run.dir("whole")].map((dir) => tensorsOf(join(dir, "model.safetensors"))),
  );
  expect([...a!.keys()].sort()).toEqual([...ours!.keys()].sort());
  for (const [key, tensor] of a!) expect([key, tensor.data]).toEqual([key, b!.get(key)!.data]);
  const [key, plain] = ["transformer.h.2.mlp.c_fc.weight", "transformer.h.2.mlp.c_fc.bias"];
  expect([a!.get(key)!.shape, ours!.get(key)!.shape]).toEqual([
    [32, 128],
    [128, 32],
  ]);
  expect(numbersOf(a!.get(key)!)[3 * 128 + 100]).toBe(numbersOf(ours!.get(key)!)[100 * 32 + 3]);
  expect(a!.get(plain)!.data).toEqual(ours!.get(plain)!.data);
  const config = JSON.parse(readFileSync(join(fromRun, "config.json"), "utf8")) as object;
  expect(config).toMatchObject({ model_type: "gpt2", n_embd: 32, n_layer: 4, n_head: 2, vocab_size: 280 });
  const tokenizer = (dir: string) => readFileSync(join(dir, "tokenizer.json"), "utf8");
  expect(tokenizer(fromRun)).toBe(tokenizer(run.dir("whole")));
  expect(tokenizer(fromCheckpoint)).toBe(tokenizer(run.dir("whole")));
});

test("an export has no weights of the run before, and no run as its folder", async () => {
  run.copy("whole", "retrained");
  rmSync(join(run.dir("retrained"), "checkpoints"), { recursive: true });
  const to = run.dir("export-retrained");
  // A later run begins with its own configuration.
  const config = join(run.dir("retrained"), "config.yaml");
  writeFileSync(config, readFileSync(config, "utf8").replace(/seed: \d+/, "seed: 77"));
  await expect(exportModel(run.dir("retrained"), to, () => {})).rejects.toMatchObject({
    code: "CHECKPOINT_NOT_FOUND",
  });
  const before = readFileSync(join(run.dir("whole"), "model.safetensors"));
  await expect(exportModel(run.dir("whole"), run.dir("whole"), () => {})).rejects.toThrow(
    "name another folder",
  );
  expect(readFileSync(join(run.dir("whole"), "model.safetensors"))).toEqual(before);
});

test("only the parts that the manifest names are loaded", async () => {
  run.copy("whole", "stray");
  removeNewest("stray");
  rmSync(join(run.dir("stray"), "model.safetensors"));
  const folder = join(run.dir("stray"), "checkpoints", "step-000010");
  const part = join(folder, "rank-00000.safetensors");
  const { tensors } = await readSafetensors(part);
  const changed = tensors.map(({ data, ...tensor }) => ({
    ...tensor,
    data: new Uint8Array(data.byteLength),
  }));
  await writeSafetensors(join(folder, "rank-00009.safetensors"), changed);
  writeFileSync(join(folder, "._rank-00000.safetensors"), "of another system");
  await run.train("stray", [EVERY], true);
  expect(await run.weights("stray")).toBe(await run.weights("whole"));
});
