import { expect, test } from "vitest";
import { OptionError } from "../errors/option-error.ts";
import { afterWarmup, constant, linear, warmupCosine } from "./learning-rates.ts";

const steps = (count: number) => Array.from({ length: count }, (_, step) => step);

test("the cosine is that of PyTorch's CosineAnnealingLR", () => {
  // w = torch.nn.Parameter(torch.zeros(1)); o = SGD([w], lr=.6); s = CosineAnnealingLR(o, 8, eta_min=.06)
  // for t in range(9): print(s.get_last_lr()[0]); o.step(); s.step()
  const golden = [
    0.6, 0.5794474737780475, 0.5209188309203678, 0.4333245267385743, 0.33, 0.22667547326142579,
    0.1390811690796322, 0.08055252622195258, 0.06,
  ];
  const rate = warmupCosine({ peak: 0.6, minimum: 0.06, numWarmupSteps: 0, numSteps: 8 });
  for (const step of steps(9)) expect(rate(step)).toBeCloseTo(golden[step]!, 14);
  expect(rate(100)).toBeCloseTo(0.06, 14);
});

test("the warm-up rises evenly from above 0 to the peak, where the cosine starts", () => {
  const rate = warmupCosine({ peak: 1, numWarmupSteps: 4, numSteps: 10 });
  expect(steps(5).map(rate)).toEqual([0.25, 0.5, 0.75, 1, 1]);
  expect(rate(7)).toBeCloseTo(0.5, 14);
  expect(rate(10)).toBe(0);
});

test("linear and constant", () => {
  const rate = linear({ from: 1, to: 0.5, numSteps: 4 });
  expect(steps(6).map(rate)).toEqual([1, 0.875, 0.75, 0.625, 0.5, 0.5]);
  expect(steps(3).map(constant(0.1))).toEqual([0.1, 0.1, 0.1]);
});

test("a warm-up goes before any schedule, which starts at its step 0", () => {
  const schedule = linear({ from: 1, to: 0.5, numSteps: 2 });
  expect(steps(6).map(afterWarmup({ peak: 1, numWarmupSteps: 2, schedule }))).toEqual([
    0.5, 1, 1, 0.75, 0.5, 0.5,
  ]);
  expect(steps(3).map(afterWarmup({ peak: 1, numWarmupSteps: 0, schedule }))).toEqual([1, 0.75, 0.5]);
  expect(() => afterWarmup({ peak: 1, numWarmupSteps: -1, schedule })).toThrow(OptionError);
});

test("numbers of steps that make no sense are refused", () => {
  expect(() => warmupCosine({ peak: 1, numWarmupSteps: 4, numSteps: 4 })).toThrow(
    /numSteps .* at least 5; got 4/,
  );
  expect(() => linear({ from: 1, to: 0, numSteps: 0.5 })).toThrow(OptionError);
});
