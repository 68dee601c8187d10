import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { parseConfig } from "../config/config.ts";
import { cutMetrics } from "../report/metrics.ts";
import type { ManifestFile } from "./manifest.ts";
import { CheckpointStore, readCheckpoint } from "./store.ts";

let folder: string;
let store: CheckpointStore;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "dualpipe-store-"));
  store = new CheckpointStore(folder);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const manifestOf = (step: number) =>
  ({
    format: "dualpipe-checkpoint",
    version: 1,
    step,
    data: { sequences: 8 * step, tokensSha256: "0".repeat(64) },
    config: parseConfig(""),
  }) as const;

async function write(step: number, keep: number): Promise<string> {
  const files = [];
  for (const rank of [0, 1]) {
    const tensor = { name: `weight${rank}`, dtype: "F32", shape: [2], data: Buffer.alloc(8, step) } as const;
    files.push(await store.writePart(step, rank, [tensor]));
  }
  return store.complete({ manifest: manifestOf(step), files, tokenizer: "{}" }, keep);
}

const newestStep = async () => (await store.latest(() => {}))?.manifest.step;

test("the newest that were asked for are kept", async () => {
  expect(await store.latest(() => {})).toBeUndefined();
  for (const step of [9, 10, 1_000_000]) await write(step, 2);
  expect(await store.names()).toEqual(["step-1000000", "step-000010"]);
  expect(readdirSync(store.folder).length).toBe(2);
  expect((await store.latest(() => {}))?.manifest).toMatchObject(manifestOf(1_000_000));
});

test("a checkpoint with any change to any of its files is passed over", async () => {
  await write(1, 2);
  const path = await write(2, 2);
  const change = fc.record({
    file: fc.constantFrom(...readdirSync(path).sort()),
    position: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    how: fc.constantFrom("flip", "cut", "grow", "remove"),
    bit: fc.nat(7),
  });
  await fc.assert(
    fc.asyncProperty(change, async ({ file, position, how, bit }) => {
      const target = join(path, file);
      const bytes = readFileSync(target);
      const index = Math.floor(position * bytes.length);
      const flipped = Buffer.from(bytes);
      flipped[index]! ^= 1 << bit;
      if (how === "remove") rmSync(target);
      else
        writeFileSync(
          target,
          { flip: flipped, cut: bytes.subarray(0, index), grow: Buffer.concat([bytes, bytes]) }[how]!,
        );
      const told: string[] = [];
      const latest = await store.latest((name, error) => void told.push(`${name}: ${error.message}`));
      writeFileSync(target, bytes);
      // White space of the manifest is the one thing that may change without a loss.
      if (latest?.manifest.step === 2 && file === "manifest.json") {
        expect(latest.manifest).toEqual(await readCheckpoint(path));
        return;
      }
      expect([latest?.manifest.step, told]).toEqual([1, [expect.stringContaining(target)]]);
    }),
    { numRuns: 200 },
  );
  expect(await newestStep()).toBe(2);
});

test("a manifest that still makes sense, but is not as it was written, is passed over", async () => {
  const manifest = join(await write(2, 1), "manifest.json");
  const text = readFileSync(manifest, "utf8");
  writeFileSync(manifest, text.replace('"step": 2,', '"step": 3,'));
  expect(await newestStep()).toBeUndefined();
  writeFileSync(manifest, text);
  expect(await newestStep()).toBe(2);
});

test("parts that were cut short, or that another host has, make no checkpoint", async () => {
  await write(1, 1);
  const tensor = { name: "weight", dtype: "F32", shape: [2], data: Buffer.alloc(8) } as const;
  const file = await store.writePart(2, 0, [tensor]);
  const complete = (files: readonly ManifestFile[]) =>
    store.complete({ manifest: manifestOf(2), files, tokenizer: "{}" }, 1);
  await expect(complete([file, { ...file, name: "rank-00001.safetensors" }])).rejects.toThrow(
    /rank-00001.safetensors is missing; output.dir must be the same folder on all hosts/,
  );
  await expect(complete([{ ...file, bytes: file.bytes + 1 }])).rejects.toThrow("as its manifest says");
  expect(await newestStep()).toBe(1);
  await store.discard(2);
  expect(readdirSync(store.folder)).toEqual(["step-000001"]);
});

test("a writer that was killed is cleaned up after", async () => {
  await write(1, 1);
  for (const name of [".step-000002.7.tmp", ".step-000001.old.tmp"]) {
    mkdirSync(join(store.folder, name));
    writeFileSync(join(store.folder, name, "manifest.json"), "{}");
  }
  expect(await store.names()).toEqual(["step-000001"]);
  await store.removeTemporary();
  expect(readdirSync(store.folder)).toEqual(["step-000001"]);
});

test("one that was set aside is neither taken nor counted, and its step can be written again", async () => {
  await write(1, 2);
  await write(2, 2);
  await store.setAside("step-000002");
  expect(await newestStep()).toBe(1);
  await write(2, 2);
  expect(await store.names()).toEqual(["step-000002", "step-000001"]);
});

test("metrics are cut before what the run writes again, and after a whole line", async () => {
  const path = join(folder, "metrics.jsonl");
  const line = (kind: string, step: number) => `${JSON.stringify({ kind, step })}\n`;
  const kept = [line("train", 1), line("validation", 1), line("train", 2)].join("");
  writeFileSync(path, `${kept}${line("validation", 2)}${line("train", 3)}{"kind":"train","st`);
  await cutMetrics(path, 2);
  expect(readFileSync(path, "utf8")).toBe(kept);
  await cutMetrics(join(folder, "none.jsonl"), 2);
  expect(statSync(join(folder, "none.jsonl")).size).toBe(0);
});
