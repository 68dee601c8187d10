import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { TensorEntry } from "../../files/safetensors.ts";
import { parseConfig } from "../config/config.ts";
import { CheckpointCompletion } from "./completion.ts";
import { PartWriter } from "./part-writer.ts";
import { CheckpointStore } from "./store.ts";

let folder: string;
let store: CheckpointStore;
let told: string[];
let completion: CheckpointCompletion;
/** Two processes of two ranks each. */
let processes: PartWriter[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "dualpipe-completion-"));
  store = new CheckpointStore(folder);
  told = [];
  completion = new CheckpointCompletion({
    store,
    keep: 2,
    numProcesses: 2,
    describe: (step) => ({
      manifest: {
        format: "dualpipe-checkpoint",
        version: 1,
        step,
        data: { sequences: step, tokensSha256: "0".repeat(64) },
        config: parseConfig(""),
      },
      tokenizer: "{}",
    }),
    onWritten: (step) => told.push(`written ${step}`),
    onFailed: (step, problem) => told.push(`failed ${step}: ${problem}`),
    onDone: () => told.push("done"),
  });
  processes = [0, 1].map(
    () => new PartWriter({ store, numRanks: 2, onWritten: (step, outcome) => completion.add(step, outcome) }),
  );
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

const tensorsOf = (rank: number): TensorEntry[] => [
  { name: `weight${rank}`, dtype: "F32", shape: [1], data: new Uint8Array(4) },
];

test("a checkpoint is written when all processes have written the parts of all their ranks", async () => {
  for (const rank of [3, 2]) processes[1]!.add(rank, 7, tensorsOf(rank));
  processes[0]!.add(0, 7, tensorsOf(0));
  for (const process of processes) await process.finish();
  expect([told, await store.names()]).toEqual([[], []]);
  processes[0]!.add(1, 7, tensorsOf(1));
  await completion.finish();
  expect(told).toEqual(["written 7", "done"]);
  const point = await store.latest(() => {});
  expect(point?.manifest.files.map(({ name }) => name)).toEqual([
    "rank-00000.safetensors",
    "rank-00001.safetensors",
    "rank-00002.safetensors",
    "rank-00003.safetensors",
    "tokenizer.json",
  ]);
});

test("one process that could not write its parts costs the checkpoint, and the next is written", async () => {
  for (const rank of [0, 1]) processes[0]!.add(rank, 1, tensorsOf(rank));
  completion.add(1, { problem: "ENOSPC: no space left on device" });
  await completion.finish();
  expect(told).toEqual(["failed 1: ENOSPC: no space left on device", "done"]);
  expect(readdirSync(store.folder)).toEqual([]);
  for (const rank of [0, 1, 2, 3]) processes[rank >> 1]!.add(rank, 2, tensorsOf(rank));
  for (const process of processes) await process.finish();
  await completion.finish();
  expect(told.slice(2)).toEqual(["written 2", "done"]);
});

test("parts of which others are missing when the run ends are removed", async () => {
  for (const rank of [0, 1]) processes[0]!.add(rank, 3, tensorsOf(rank));
  await processes[0]!.finish();
  expect(readdirSync(store.folder)).toEqual([".step-000003.tmp"]);
  await completion.stop();
  expect([told, readdirSync(store.folder)]).toEqual([[], []]);
});

test("parts that cannot be written are told as a problem", async () => {
  rmSync(folder, { recursive: true });
  const nowhere = new CheckpointStore("/dev/null/none");
  const writer = new PartWriter({
    store: nowhere,
    numRanks: 1,
    onWritten: (step, outcome) => told.push(`${step}: ${"problem" in outcome ? outcome.problem : "written"}`),
  });
  writer.add(0, 1, tensorsOf(0));
  await writer.finish();
  expect(told).toEqual([expect.stringMatching(/^1: .dev.null must be a folder; it is a file/)]);
});
