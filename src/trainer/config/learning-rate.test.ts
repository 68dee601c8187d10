import { expect, test } from "vitest";
import { parseConfig } from "./config.ts";
import { learningRateOf } from "./learning-rate.ts";

function ratesOf(kind: string, steps: number, warmupSteps: number): number[] {
  const text = `
data: { source: a.txt }
training: { steps: ${steps} }
optimizer: { kind: sgd, learningRate: 0.001 }
learningRateSchedule: { kind: ${kind}, warmupSteps: ${warmupSteps}, minLearningRate: 0.0001 }
`;
  const rate = learningRateOf(parseConfig(text));
  return Array.from({ length: steps }, (_, step) => rate(step));
}

// torch 1.13: SequentialLR(o, [LinearLR(o, 1 / 2, total_iters=1), D], [2]) with a rate of 1e-3, and D either
// CosineAnnealingLR(o, 7, eta_min=1e-4) or LinearLR(o, 1, 0.1, total_iters=7).
test.each([
  [
    "cosine",
    [
      0.0005, 0.001, 0.001, 0.0009554359905560886, 0.0008305704108364301, 0.0006501344202803415,
      0.00044986557971965854, 0.00026942958916356994, 0.00014456400944391144, 0.0001,
    ],
  ],
  [
    "linear",
    [
      0.0005, 0.001, 0.001, 0.0008714285714285715, 0.0007428571428571429, 0.0006142857142857142,
      0.00048571428571428566, 0.00035714285714285714, 0.00022857142857142857, 9.999999999999998e-5,
    ],
  ],
])("%s is PyTorch's, and its last step has the smallest rate", (kind, golden) => {
  const rates = ratesOf(kind, 10, 2);
  rates.forEach((rate, step) => {
    expect(Math.abs(rate / golden[step]! - 1)).toBeLessThan(1e-14);
  });
});

test.each(["cosine", "linear"])("%s without a warm-up begins with the peak", (kind) => {
  const rates = ratesOf(kind, 5, 0);
  expect(rates[0]).toBe(0.001);
  expect(rates[4]).toBeCloseTo(0.0001, 15);
  expect(ratesOf(kind, 1, 0)).toEqual([0.001]);
  expect(ratesOf(kind, 3, 2)).toEqual([0.0005, 0.001, 0.001]);
});
