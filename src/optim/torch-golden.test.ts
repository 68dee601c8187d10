// Optimizers and learning rates next to PyTorch's, by golden data that test/optim/golden/optimizers.py makes.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { failOnLeaks } from "../../test/leak-guard.ts";
import { Parameter } from "../autograd/parameter.ts";
import { Runtime } from "../tensor/runtime.ts";
import { Adagrad } from "./adagrad.ts";
import { Adam } from "./adam.ts";
import * as learningRates from "./learning-rates.ts";
import { Lion } from "./lion.ts";
import type { NamedParameter, Optimizer } from "./optimizer.ts";
import { Plateau } from "./plateau.ts";
import { RMSprop } from "./rmsprop.ts";

type Options = Readonly<Record<string, unknown>>;

interface Golden {
  readonly weights: readonly (readonly number[])[];
  readonly gradients: readonly (readonly (readonly number[] | null)[])[];
  readonly optimizers: readonly {
    readonly name: string;
    readonly options: Options;
    readonly steps: readonly (readonly (readonly number[])[])[];
  }[];
  readonly schedules: readonly {
    readonly name: string;
    readonly start: number;
    readonly options: Options;
    readonly rates: readonly number[];
  }[];
  readonly losses: readonly number[];
  readonly plateaus: readonly { readonly options: Options; readonly rates: readonly number[] }[];
}

const golden = JSON.parse(
  readFileSync(new URL("../../test/optim/golden/optimizers.json", import.meta.url), "utf8"),
) as Golden;
const runtime = Runtime.load();
failOnLeaks(runtime);

/** Our names of PyTorch's options. */
const NAMES: Readonly<Record<string, string>> = {
  lr: "learningRate",
  weight_decay: "weightDecay",
  lr_decay: "learningRateDecay",
  initial_accumulator_value: "initialSum",
  gamma: "factor",
  step_size: "everySteps",
  milestones: "atSteps",
  max_lr: "peak",
  total_steps: "numSteps",
  pct_start: "riseShare",
  div_factor: "startDivisor",
  final_div_factor: "endDivisor",
  anneal_strategy: "shape",
  min_lr: "minimum",
  threshold_mode: "thresholdMode",
  mode: "better",
};
const VALUES: Readonly<Record<string, unknown>> = {
  max: "larger",
  min: "smaller",
  abs: "absolute",
  rel: "relative",
};

const translated = (options: Options): never =>
  Object.fromEntries(
    Object.entries(options).map(([name, value]) => [NAMES[name] ?? name, VALUES[String(value)] ?? value]),
  ) as never;

const OPTIMIZERS: Readonly<
  Record<
    string,
    new (
      parameters: readonly NamedParameter[],
      options: never,
    ) => Optimizer<{ learningRate: number }>
  >
> = { Adam, RMSprop, Adagrad, Lion };

function run(
  optimizer: Optimizer<{ learningRate: number }>,
  parameters: readonly Parameter[],
  steps: readonly number[],
): number[][][] {
  return steps.map((step) => {
    parameters.forEach((parameter, i) => {
      const gradient = golden.gradients[step]![i];
      parameter.grad = gradient ? runtime.tensor(gradient, parameter.shape, "float64") : null;
    });
    optimizer.step();
    return parameters.map((parameter) => parameter.toArray());
  });
}

const cases = golden.optimizers.map(({ name, options, steps }) => [name, options, steps] as const);
const allSteps = golden.gradients.map((_, step) => step);

test("each optimizer has a case with PyTorch's defaults", () => {
  const plain = cases.filter(([, options]) => Object.keys(options).length === 0);
  expect(plain.map(([name]) => name)).toEqual(Object.keys(OPTIMIZERS));
});

test.each(cases)("%s with %j steps as PyTorch's, also from a saved state", (name, options, expected) => {
  const Optimizer = OPTIMIZERS[name]!;
  const parametersFrom = (weights: readonly (readonly number[])[]) =>
    weights.map((values) => new Parameter(runtime.tensor(values, undefined, "float64")));
  const named = (parameters: readonly Parameter[]) => parameters.map((each, i) => [`w${i}`, each] as const);
  runtime.scope(() => {
    const first = parametersFrom(golden.weights);
    using optimizer = new Optimizer(named(first), translated(options));
    const seen = run(optimizer, first, allSteps.slice(0, 5));
    // The rest by another optimizer, which gets the state of this one.
    const second = parametersFrom(seen.at(-1)!);
    using resumed = new Optimizer(named(second), translated(options));
    resumed.loadStateDict(optimizer.stateDict());
    seen.push(...run(resumed, second, allSteps.slice(5)));
    expect(seen.flat(2)).toHaveLength(expected.flat(2).length);
    seen.flat(2).forEach((value, i) => {
      expect(value).toBeCloseTo(expected.flat(2)[i]!, 12);
    });
    for (const parameter of [...first, ...second]) parameter.dispose();
  });
});

const SCHEDULES: Readonly<Record<string, (options: never) => learningRates.LearningRateSchedule>> = {
  step: learningRates.stepwise,
  multiStep: learningRates.atMilestones,
  exponential: learningRates.exponential,
  oneCycle: learningRates.oneCycle,
};

test.each(golden.schedules)(
  "the learning rate $name with $options is PyTorch's",
  ({ name, start, options, rates }) => {
    const rateAt = SCHEDULES[name]!({ from: start, ...(translated(options) as object) } as never);
    rates.forEach((rate, step) => {
      expect(rateAt(step)).toBeCloseTo(rate, 12);
    });
  },
);

test.each(golden.plateaus)(
  "a plateau with $options is PyTorch's, also from a saved state",
  ({ options, rates }) => {
    const make = () => new Plateau({ learningRate: 1, ...(translated(options) as object) });
    let plateau = make();
    golden.losses.forEach((loss, i) => {
      expect(plateau.observe(loss)).toBeCloseTo(rates[i]!, 12);
      const { state } = plateau;
      plateau = make();
      plateau.state = JSON.parse(JSON.stringify(state));
    });
    expect(new Set(rates).size).toBeGreaterThan(2);
  },
);
