import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";

const PROGRAM = fileURLToPath(new URL("./uncaught-exception.mjs", import.meta.url));
const LOADER = fileURLToPath(new URL("../register-tsx.mjs", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "dualpipe-uncaught-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Trains with a limit of the size of files, in blocks of 1,024 bytes. */
function trainLimited(
  output: string,
  limit: string,
  program: readonly string[],
  sets: readonly string[] = [],
) {
  writeFileSync(join(folder, "text.txt"), "one two three four five six seven eight ".repeat(400));
  writeFileSync(
    join(folder, "config.yaml"),
    `
data: { source: text.txt, vocabSize: 280, cacheDir: cache }
model: { hiddenSize: 32, numLayers: 2, numHeads: 2 }
pipeline: { schedule: dualpipe, ranks: 2, microBatches: 4 }
training: { steps: 8, microBatchSize: 1, sequenceLength: 16 }
validation: { everySteps: 0 }
sample: { numTokens: 0 }
output: { traceLastStep: false }
`,
  );
  const args = ["--import", LOADER, ...program, "train", "config.yaml", "--set", `output.dir=${output}`];
  const all = [...args, ...sets.flatMap((text) => ["--set", text])];
  return spawnSync("sh", ["-c", `ulimit -f ${limit}; exec "$0" "$@"`, process.execPath, ...all], {
    cwd: folder,
    encoding: "utf8",
  });
}

test("an exception that nothing catches ends a run at once, and says that it is our fault", () => {
  const { status, stderr } = trainLimited("run", "unlimited", [PROGRAM], ["training.steps=1000000"]);
  expect(stderr).toMatch(/internal error, please report it\nError: thrown by a timer\n +at /);
  expect(status).toBe(1);
});

const MAIN = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));

test("at the limit of the size of files a run ends, and names the file and the temporary one", () => {
  // The cache, and then the weights, do not fit.
  const tokens = trainLimited("limited", "1", [MAIN], ["data.cacheDir=elsewhere"]);
  expect([tokens.status, tokens.stderr]).toEqual([
    1,
    expect.stringMatching(
      /elsewhere\/tokens\/\S+ cannot be written: the file is larger than its limit \(ulimit -f\) \(EFBIG\)/,
    ),
  ]);
  expect(trainLimited("first", "unlimited", [MAIN]).status).toBe(0);
  const weights = trainLimited("limited", "16", [MAIN], ["checkpoint.everySteps=4"]);
  expect(weights.status).toBe(1);
  expect(weights.stderr).toMatch(/no checkpoint could be written; training goes on: .*\(EFBIG\)/);
  expect(weights.stderr).toMatch(
    /limited\/model.safetensors cannot be written: .*; nor could the weights be saved in the temporary folder: .*\(EFBIG\)/,
  );
});
