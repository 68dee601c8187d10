import { expect, test } from "vitest";
import { Runtime } from "../../../src/tensor/runtime.ts";
import { describeSweep, sweep } from "./sweep.ts";

const runtime = Runtime.load();

/** With LibTorch 1.13 there are 794; other versions have others. */
const NUM_AGREEING_MIN = 780;

test("every operator that LibTorch differentiates has its gradients, whole and split", async () => {
  const found = await sweep(runtime.addon);
  console.log(describeSweep(found, runtime.addon.libtorchVersion));
  expect(found.filter(({ finding }) => finding === "differs" || finding === "refused")).toEqual([]);
  expect(found.filter(({ finding }) => finding === "agrees").length).toBeGreaterThanOrEqual(NUM_AGREEING_MIN);
});
