import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parseConfig } from "../config.ts";
import type { TensorSource } from "../safetensors.ts";
import { cutMetrics } from "./cut-metrics.ts";
import { type CheckpointContent, CheckpointStore, readCheckpoint } from "./store.ts";

let folder: string;
let store: CheckpointStore;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "dualpipe-store-"));
  store = new CheckpointStore(folder);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function contentOf(step: number, data: TensorSource["data"] = Buffer.alloc(8, step)): CheckpointContent {
  const manifest = {
    format: "dualpipe-checkpoint",
    version: 1,
    step,
    data: { sequences: 8 * step, tokensSha256: "0".repeat(64) },
    config: parseConfig(""),
  } as const;
  const parts = [0, 1].map((rank) => [{ name: `weight${rank}`, dtype: "F32", shape: [2], data } as const]);
  return { manifest, parts, tokenizer: "{}" };
}

const newestStep = async () => (await store.latest(() => {}))?.manifest.step;

test("the newest that were asked for are kept", async () => {
  expect(await store.latest(() => {})).toBeUndefined();
  for (const step of [9, 10, 1_000_000]) await store.write(contentOf(step), 2);
  expect(await store.names()).toEqual(["step-1000000", "step-000010"]);
  expect(readdirSync(store.folder).length).toBe(2);
  expect((await store.latest(() => {}))?.manifest).toMatchObject(contentOf(1_000_000).manifest);
});

test("a checkpoint with any change to any of its files is passed over", async () => {
  await store.write(contentOf(1), 2);
  const path = await store.write(contentOf(2), 2);
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
  const manifest = join(await store.write(contentOf(2), 1), "manifest.json");
  const text = readFileSync(manifest, "utf8");
  writeFileSync(manifest, text.replace('"step": 2,', '"step": 3,'));
  expect(await newestStep()).toBeUndefined();
  writeFileSync(manifest, text);
  expect(await newestStep()).toBe(2);
});

describe("a writer that fails or is killed", () => {
  test("leaves the checkpoints before it, and nothing else", async () => {
    await store.write(contentOf(1), 1);
    const failing = contentOf(2, () => Promise.reject(new Error("no space")));
    await expect(store.write(failing, 1)).rejects.toThrow("no space");
    expect(readdirSync(store.folder)).toEqual(["step-000001"]);
    expect(await newestStep()).toBe(1);
  });

  test("is cleaned up after", async () => {
    await store.write(contentOf(1), 1);
    for (const name of [".step-000002.7.tmp", ".step-000001.old.tmp"]) {
      mkdirSync(join(store.folder, name));
      writeFileSync(join(store.folder, name, "manifest.json"), "{}");
    }
    expect(await store.names()).toEqual(["step-000001"]);
    await store.removeTemporary();
    expect(readdirSync(store.folder)).toEqual(["step-000001"]);
  });
});

test("one that was set aside is neither taken nor counted, and its step can be written again", async () => {
  await store.write(contentOf(1), 2);
  await store.write(contentOf(2), 2);
  await store.setAside("step-000002");
  expect(await newestStep()).toBe(1);
  await store.write(contentOf(2), 2);
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
