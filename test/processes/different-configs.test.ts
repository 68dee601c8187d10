import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { freePort } from "../gloo/free-port.ts";
import { startDualpipe } from "./start-launcher.ts";

const folder = mkdtempSync(join(tmpdir(), "dualpipe-different-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const PROGRAM = ["0F0,0F1,0B0,0B1", "1F0,1B0,1F1,1B1"];

test("processes whose programs differ say so and end, instead of training something else", async () => {
  const text = join(folder, "text.txt");
  writeFileSync(text, "one two three four five six seven eight ".repeat(60));
  const port = String(await freePort());
  const start = (rank: number, lastLine: string) => {
    // As on two hosts: the same names, with another file.
    const own = join(folder, `host-${rank}`);
    const config = `${own}.yaml`;
    writeFileSync(`${own}.csv`, `${PROGRAM[0]}\n${lastLine}\n`);
    writeFileSync(
      config,
      [
        `data: {source: "${text}", vocabSize: 280, cacheDir: "${folder}"}`,
        "model: {hiddenSize: 16, numHeads: 2, numLayers: 2}",
        `pipeline: {schedule: ${own}.csv}`,
        "training: {steps: 3, microBatchSize: 1, sequenceLength: 16}",
        "validation: {everySteps: 0}",
        `output: {dir: "${folder}/run"}`,
      ].join("\n"),
    );
    const env = {
      RANK: String(rank),
      WORLD_SIZE: "2",
      LOCAL_RANK: "0",
      MASTER_ADDR: "127.0.0.1",
      MASTER_PORT: port,
      // It says that they are one run: without it process 1 would be taken for one of another run.
      DUALPIPE_SECRET: "of this run",
    };
    return startDualpipe(["train", config], env).ended;
  };
  const ended = await Promise.all([start(0, PROGRAM[1]!), start(1, "1F0,1F1,1B0,1B1")]);
  expect(ended[1]!.stderr).toContain(
    "all processes of a run must have the same configuration; pipeline.schedule is",
  );
  expect(ended[1]!.status).toBe(1);
  expect(ended[0]!.status).not.toBe(0);
});
