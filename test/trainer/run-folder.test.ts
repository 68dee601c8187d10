import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { parseConfig, type TrainConfig } from "../../src/trainer/config/config.ts";
import { train } from "../../src/trainer/train.ts";

const folder = mkdtempSync(join(tmpdir(), "dualpipe-run-folder-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const source = join(folder, "text.txt");
const words = ["one", "two", "three", "four", "five", "six", "seven", "eight"];
const document = Array.from({ length: 150 }, (_, i) => words[i % words.length]).join(" ");
writeFileSync(source, Array(20).fill(document).join("<|endoftext|>"));

function configOf(dir: string, ...overrides: readonly string[]): TrainConfig {
  return parseConfig("", [
    `data={source: "${source}", vocabSize: 280, cacheDir: "${folder}/cache", validationFraction: 0.2}`,
    "model={hiddenSize: 16, numLayers: 2, numHeads: 2}",
    "pipeline={schedule: dualpipe, ranks: 2, microBatches: 4}",
    "training={steps: 2, microBatchSize: 1, sequenceLength: 16}",
    "validation={everySteps: 2, numBatches: 1}",
    "sample={prompt: one, numTokens: 1, topK: 0}",
    `output={dir: "${dir}", traceLastStep: false}`,
    ...overrides,
  ]);
}

/** All files of a folder with their content, to see that nothing changed. */
const contentOf = (dir: string) =>
  readdirSync(dir, { recursive: true, withFileTypes: true, encoding: "utf8" })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => [join(parentPath, name), readFileSync(join(parentPath, name), "base64")])
    .sort();

describe("a folder with an earlier run", () => {
  const dir = join(folder, "run");

  test("is trained from JavaScript without an output, and is then refused by a second run", async () => {
    await train({ config: configOf(dir) });
    const before = contentOf(dir);
    await expect(train({ config: configOf(dir, "training.steps=1") })).rejects.toMatchObject({
      code: "OUTPUT_EXISTS",
      message: expect.stringMatching(/--resume.*--overwrite.*another output\.dir/),
    });
    expect(contentOf(dir)).toEqual(before);
  });

  test("is refused by --resume when it has weights but no checkpoint", async () => {
    const before = contentOf(dir);
    await expect(train({ config: configOf(dir), resume: true })).rejects.toMatchObject({
      code: "NOTHING_TO_RESUME",
    });
    expect(contentOf(dir)).toEqual(before);
  });

  test("is kept by --overwrite when the new run never begins", async () => {
    const before = contentOf(dir);
    const config = configOf(dir, "data.source=/nowhere");
    await expect(train({ config, overwrite: true })).rejects.toMatchObject({ code: "DATA_UNREADABLE" });
    expect(contentOf(dir)).toEqual(before);
  });

  test("is replaced by --overwrite, next to files that are not the run's", async () => {
    writeFileSync(join(dir, "notes.txt"), "mine");
    await train({ config: configOf(dir, "training.steps=1", "output.saveWeights=false"), overwrite: true });
    expect(readdirSync(dir).sort()).toEqual(["config.yaml", "metrics.jsonl", "notes.txt"]);
    expect(readFileSync(join(dir, "metrics.jsonl"), "utf8").trim().split("\n")).toHaveLength(2);
  });
});

describe("a folder that never belonged to a run", () => {
  test.each([
    ["config.yaml", "refuse"],
    ["config.yaml", "overwrite"],
    ["model.safetensors", "overwrite"],
    ["tokenizer.json", "resume"],
    ["thesis.tex", "refuse"],
  ] as const)("with %s is not touched by a run that would %s", async (name, existing) => {
    const dir = mkdtempSync(join(folder, "foreign-"));
    writeFileSync(join(dir, name), "mine");
    const options = {
      config: configOf(dir),
      resume: existing === "resume",
      overwrite: existing === "overwrite",
    };
    await expect(train(options)).rejects.toMatchObject({
      code: "OUTPUT_EXISTS",
      message: expect.stringContaining(name),
    });
    expect(readdirSync(dir)).toEqual([name]);
    expect(readFileSync(join(dir, name), "utf8")).toBe("mine");
  });
});

test.each([
  ["output.dir", "/proc/dualpipe/run"],
  ["output.dir", join(source, "run")],
  ["output.dir", "/dev/null"],
  ["data.cacheDir", "/proc/dualpipe/cache"],
])("%s is checked before training: %s", async (key, path) => {
  const config = configOf(join(folder, "unused"), `${key}="${path}"`);
  await expect(train({ config })).rejects.toMatchObject({
    code: "FOLDER_UNUSABLE",
    message: expect.stringContaining(`${key} must be a folder that can be written to; got "${path}": `),
  });
  expect(existsSync(join(folder, "unused"))).toBe(false);
});

test("bad data leave no empty folder", async () => {
  const dir = join(folder, "never");
  await expect(train({ config: configOf(dir, "data.source=/nowhere") })).rejects.toMatchObject({
    code: "DATA_UNREADABLE",
  });
  expect(existsSync(dir)).toBe(false);
});

test.each(["take", "begin", "end"] as const)(
  "an error in a listener's %s ends the run, not the process",
  async (method) => {
    const listener = {
      take: () => {},
      [method]: () => {
        throw new Error(`${method} failed`);
      },
    };
    const config = configOf(join(folder, `listener-${method}`));
    await expect(train({ config, listeners: [listener] })).rejects.toThrow(`${method} failed`);
  },
);

test("an output that cannot be written to ends the run", async () => {
  const output = {
    write() {
      throw new Error("the window was closed");
    },
  };
  await expect(train({ config: configOf(join(folder, "output")), output })).rejects.toThrow(
    "window was closed",
  );
});

test("when the weights cannot be written the error names the file, and where they are instead", async () => {
  const dir = join(folder, "no-weights");
  const listener = {
    take: () => {},
    // A folder with the name of the file stands for a disk that fills up during the run.
    begin: () => mkdirSync(join(dir, "model.safetensors")),
  };
  const error: Error = await train({ config: configOf(dir), listeners: [listener] }).then(
    () => expect.fail("must fail"),
    (error) => error as Error,
  );
  expect(error.message).toContain(`${join(dir, "model.safetensors")} cannot be written: `);
  const [, saved] = /the weights are saved in (\S+)/.exec(error.message)!;
  expect(existsSync(saved!)).toBe(true);
  rmSync(join(saved!, ".."), { recursive: true });
});

test("when another file cannot be written at the end the error names it, and the weights", async () => {
  const dir = join(folder, "no-trace");
  const config = configOf(dir, "output.traceLastStep=true");
  const listener = { take: () => {}, begin: () => mkdirSync(join(dir, "trace.json")) };
  await expect(train({ config, listeners: [listener] })).rejects.toThrow(
    `the weights are saved in ${join(dir, "model.safetensors")}`,
  );
  expect(existsSync(join(dir, "model.safetensors"))).toBe(true);
});
