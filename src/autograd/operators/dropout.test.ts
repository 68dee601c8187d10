import fc from "fast-check";
import { expect, test } from "vitest";
import { failOnLeaks } from "../../../test/leak-guard.ts";
import { operator } from "../../tensor/native-operator.ts";
import { Runtime } from "../../tensor/runtime.ts";
import { AutogradError } from "../autograd-error.ts";
import { backward } from "../backward.ts";
import { variable } from "../record.ts";
import { dropout } from "./dropout.ts";

const runtime = Runtime.load();
failOnLeaks(runtime);

test("an element and its gradient are both 0, or both divided by the chance to stay", () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0.01, max: 0.95, noNaN: true }),
      fc.integer({ min: 0, max: 2 ** 31 }),
      (probability, seed) => {
        runtime.seed(seed);
        runtime.scope(() => {
          const x = runtime.full([8, 8], 3, "float64");
          const leaf = variable(x);
          const y = dropout(x, probability);
          backward(y, [runtime.full([8, 8], 5, "float64")]);
          const gradient = leaf.grad!.toArray();
          y.toArray().forEach((element, i) => {
            const factor = element === 0 ? 0 : 1 / (1 - probability);
            expect(element).toBeCloseTo(3 * factor, 10);
            expect(gradient[i]).toBeCloseTo(5 * factor, 10);
          });
          leaf.grad?.dispose();
        });
      },
    ),
  );
});

test("about the given share is dropped, and the same elements again with the same seed", () => {
  runtime.scope(() => {
    const x = runtime.ones([100, 100]);
    const draw = (seed: number) => {
      runtime.seed(seed);
      return dropout(x, 0.3).toArray();
    };
    const first = draw(5);
    const numDropped = first.filter((element) => element === 0).length;
    // Ten standard deviations of a binomial distribution: 10 sqrt(10000 * 0.3 * 0.7).
    expect(Math.abs(numDropped - 3000)).toBeLessThan(460);
    expect(draw(5)).toEqual(first);
    expect(draw(6)).not.toEqual(first);
  });
});

test("other random numbers of the process do not change it", () => {
  runtime.scope(() => {
    const x = runtime.ones([50]);
    runtime.seed(9);
    const first = dropout(x, 0.5).toArray();
    runtime.seed(9);
    // It has no generator argument, so it draws from the process-wide generator.
    runtime.callMany(operator("aten::native_dropout"), x, 0.5, true);
    expect(dropout(x, 0.5).toArray()).toEqual(first);
  });
});

test("a probability of 0 hands the tensor through; one outside of [0, 1) is an error", () => {
  runtime.scope(() => {
    const x = runtime.ones([2]);
    expect(dropout(x, 0)).toBe(x);
    for (const probability of [-0.1, 1, Number.NaN])
      expect(() => dropout(x, probability)).toThrow(AutogradError);
  });
});
