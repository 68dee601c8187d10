import { expect, test } from "vitest";
import { BuildProgress } from "./build-progress.ts";

/** A build with an estimate of 30 s for the header and 75 s for the sources. */
function onTwoCores() {
  const lines: string[] = [];
  const progress = new BuildProgress("LibTorch 2", (line) => lines.push(line), 2);
  progress.stop();
  return { progress, lines };
}

test("the estimate comes first, and lasts while the machine keeps to it", () => {
  const { progress, lines } = onTwoCores();
  expect(lines).toEqual([
    "building the native addon for LibTorch 2: about 105 s on 2 cores, once for this LibTorch",
  ]);
  expect(progress.secondsLeft(10)).toBe(95);
  progress.read("-- Detecting CXX compiler\n[1/13] Building header\n");
  expect(progress.secondsLeft(30)).toBe(75);
});

test("on a slower machine the time left grows with what the header takes", () => {
  const { progress } = onTwoCores();
  expect(progress.secondsLeft(60)).toBe(150);
  progress.read("[1/13] Building header\n");
  expect(progress.secondsLeft(90)).toBe(225);
});

test.each([
  ["Ninja", "[2/13] Building CXX object a.o\n[7/13] Building CXX object b.o\n"],
  ["Make", "[  1%] Building CXX object a.o\n[ 50%] Building CXX object b.o\n"],
])("the time left follows from the steps that %s has done", (_tool, output) => {
  const { progress } = onTwoCores();
  progress.read(output);
  expect(Math.abs(progress.secondsLeft(200) - 111)).toBeLessThan(3);
  progress.read("[13/13] Linking\n");
  expect(progress.secondsLeft(300)).toBe(0);
});
