/**
 * Every typed function of the library with random shapes, dtypes and roles of its inputs: its values and gradients
 * against LibTorch's autograd, whole and split, and its gradients against slopes. A function without a property fails.
 */
import { readdirSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { requiresGrad } from "../../../src/autograd/index.ts";
import { Runtime } from "../../../src/tensor/runtime.ts";
import { failOnLeaks } from "../../leak-guard.ts";
import { checkFiniteDifferences } from "../finite-differences.ts";
import { checkAgainstOracle } from "../oracle.ts";
import { ELEMENTWISE } from "./elementwise.ts";
import { FACTS } from "./facts.ts";
import { IMAGES } from "./images.ts";
import { INDEXING } from "./indexing.ts";
import { LOSSES } from "./loss.ts";
import { MATRICES } from "./matrix.ts";
import { NORMALIZATIONS } from "./normalization.ts";
import { RECURRENT } from "./recurrent.ts";
import { REDUCTIONS } from "./reduction.ts";

const runtime = Runtime.load();
failOnLeaks(runtime);

const PROPERTIES = {
  ...ELEMENTWISE,
  ...REDUCTIONS,
  ...INDEXING,
  ...MATRICES,
  ...IMAGES,
  ...LOSSES,
  ...NORMALIZATIONS,
  ...RECURRENT,
};

/** Always the same elements: for others, now and then, an edge of a function lies between two points of a slope. */
const SLOPES = { numRuns: 8, seed: 18 };

const LIBRARY = new URL("../../../src/autograd/library/", import.meta.url);

test("every typed function of the library has a property", async () => {
  const files = readdirSync(LIBRARY).filter(
    (name) => !name.endsWith(".test.ts") && name !== "differentiable.ts",
  );
  const modules = await Promise.all(files.map((name) => import(new URL(name, LIBRARY).href)));
  const functions = modules.flatMap((module) => Object.keys(module));
  // A name may be followed by what is particular about the property.
  const covered = new Set(
    [...Object.keys(PROPERTIES), ...Object.keys(FACTS)].map((name) => name.split(" ")[0]),
  );
  expect(functions.filter((name) => !covered.has(name))).toEqual([]);
  expect([...covered].filter((name) => !functions.includes(name!))).toEqual([]);
});

test.each(Object.entries(PROPERTIES))("%s has LibTorch's gradients, whole and split", (_, property) => {
  checkAgainstOracle(runtime, property, 40);
});

test.each(Object.entries(PROPERTIES).filter(([, { hasEdges }]) => !hasEdges))(
  "%s has the slopes of its values as gradients",
  (_, property) => checkFiniteDifferences(runtime, property, SLOPES),
);

test.each(Object.entries(FACTS))(
  "%s has LibTorch's values, and no gradient",
  (_, { setting, ours, reference }) => {
    fc.assert(
      fc.property(setting, (given) => {
        runtime.scope(() => {
          const actual = ours(runtime, given as never);
          const expected = reference(runtime, given as never);
          expect([actual.dtype, actual.shape]).toEqual([expected.dtype, expected.shape]);
          expect(actual.toArray()).toEqual(expected.toArray());
          expect(requiresGrad(actual)).toBe(false);
        });
      }),
      { numRuns: 20 },
    );
  },
);
