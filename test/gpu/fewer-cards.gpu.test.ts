// A step does not depend on how many cards its ranks have: several ranks on one card compute the same bits.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { Runtime } from "../../src/tensor/runtime.ts";

const numCards = Runtime.load({ device: "cuda" }).device.numDevices;
const PROGRAM = fileURLToPath(new URL("./print-steps.ts", import.meta.url));
const LOADER = fileURLToPath(new URL("../register-tsx.mjs", import.meta.url));

function stepsOn(cards: number): string {
  const visible = Array.from({ length: cards }, (_, card) => card).join(",");
  const { stdout, stderr, status } = spawnSync(process.execPath, ["--import", LOADER, PROGRAM], {
    env: { ...process.env, CUDA_VISIBLE_DEVICES: visible },
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  expect(stderr + status).toBe("0");
  return stdout;
}

test.skipIf(numCards < 2)(
  "losses and gradients of 4 ranks on all cards are those on one card, bit for bit",
  () => {
    const onOne = stepsOn(1);
    expect(onOne).toContain('"losses"');
    expect(stepsOn(numCards)).toBe(onOne);
  },
);
