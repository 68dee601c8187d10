import { expect, test } from "vitest";
import { BuildProgress } from "./build-progress.ts";

test.each([
  ["Ninja", "[3/13] Building CXX object a.o\n[4/13] Building CXX object b.o\n", 40, 90],
  ["Make", "[ 25%] Building CXX object a.o\n[ 50%] Building CXX object b.o\n", 40, 40],
])("the time left follows from the steps that %s has done", (_tool, output, elapsed, left) => {
  const progress = new BuildProgress("LibTorch", undefined);
  const before = progress.secondsLeft(0);
  progress.read("-- Detecting CXX compiler\n[1/13] Building header\n");
  expect(progress.secondsLeft(1)).toBe(Math.round(before - 1));
  progress.read(output);
  expect(progress.secondsLeft(elapsed)).toBe(left);
  progress.stop();
});
