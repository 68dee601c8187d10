import { afterEach, beforeEach, expect } from "vitest";
import type { Runtime } from "../src/tensor/runtime.ts";

/**
 * Fails every test of the file that leaves a tensor behind, frees one that it did not make, or leaves a scope open.
 * Call it above the file's own hooks: its check then runs after theirs.
 *
 * @returns a function that counts the tensors made since the test started and not freed yet
 */
export function failOnLeaks(runtime: Runtime): () => number {
  let numBefore = 0;
  const numLive = () => runtime.addon.numTensors() - numBefore;
  beforeEach(() => {
    numBefore = runtime.addon.numTensors();
  });
  afterEach(() => {
    expect(numLive(), "tensors that the test left behind").toBe(0);
    expect(runtime.currentScope, "the scope that the test left open").toBeUndefined();
  });
  return numLive;
}
