import fc from "fast-check";
import { expect, test } from "vitest";
import { failOnLeaks } from "../../test/leak-guard.ts";
import { Parameter } from "../autograd/parameter.ts";
import { OptionError } from "../errors/option-error.ts";
import { StateDictError } from "../nn/state-dict.ts";
import { Runtime } from "../tensor/runtime.ts";
import { AdamW, type AdamWOptions } from "./adamw.ts";
import { type NamedParameter, weightDecayGroups } from "./optimizer.ts";
import { SGD, type SGDOptions } from "./sgd.ts";

const runtime = Runtime.load();
failOnLeaks(runtime);

const vector = (numbers: readonly number[]) => new Parameter(runtime.tensor(numbers, undefined, "float64"));

function giveGradient(parameter: Parameter, numbers: readonly number[]): void {
  parameter.grad = runtime.tensor(numbers, parameter.shape, parameter.dtype);
}

/*
 * The weights after the first and the fourth step, by PyTorch 1.13:
 *
 * def run(make):
 *     w = torch.nn.Parameter(torch.tensor([1., -2., .5, 3.], dtype=torch.float64)); o = make([w]); out = []
 *     for t in range(4):
 *         w.grad = torch.tensor([.1, -.2, .3, -.4], dtype=torch.float64) * (t + 1); o.step(); out.append(w.tolist())
 *     return out[0], out[-1]
 * for make in [lambda p: AdamW(p, lr=.1, weight_decay=.2), lambda p: AdamW(p, lr=.05, betas=(.5, .9), eps=.01,
 *     weight_decay=0),
 *     lambda p: SGD(p, lr=.1), lambda p: SGD(p, lr=.1, weight_decay=.3),
 *     lambda p: SGD(p, lr=.1, momentum=.9, weight_decay=.3),
 *     lambda p: SGD(p, lr=.1, momentum=.9, weight_decay=.3, nesterov=True)]: print(run(make))
 */
type Make = (parameters: NamedParameter[]) => AdamW | SGD;
const adamW =
  (options: Partial<AdamWOptions>): Make =>
  (parameters) =>
    new AdamW(parameters, options);
const sgd =
  (options: Partial<SGDOptions>): Make =>
  (parameters) =>
    new SGD(parameters, options);

test.each<[string, Make, number[], number[]]>([
  [
    "AdamW",
    adamW({ learningRate: 0.1, weightDecay: 0.2 }),
    [0.8800000099999989, -1.8600000049999998, 0.3900000033333332, 3.0399999975],
    [0.5456277544784242, -1.4679959029164926, 0.08444365906251554, 3.143844902864473],
  ],
  [
    "AdamW with other betas and eps",
    adamW({ learningRate: 0.05, betas: [0.5, 0.9], eps: 0.01, weightDecay: 0 }),
    [0.9545454545454546, -1.9523809523809523, 0.45161290322580644, 3.048780487804878],
    [0.7982190490031013, -1.7924810580170667, 0.2904832423664521, 3.2105325487956065],
  ],
  ["SGD", sgd({ learningRate: 0.1 }), [0.99, -1.98, 0.47, 3.04], [0.9, -1.8, 0.2, 3.4]],
  [
    "SGD with weight decay",
    sgd({ learningRate: 0.1, weightDecay: 0.3 }),
    [0.96, -1.92, 0.455, 2.95],
    [0.78824808, -1.57649616, 0.151512215, 3.04405735],
  ],
  [
    "SGD with momentum",
    sgd({ learningRate: 0.1, momentum: 0.9, weightDecay: 0.3 }),
    [0.96, -1.92, 0.455, 2.95],
    [0.56102688, -1.12205376, -0.168911635, 2.94147085],
  ],
  [
    "SGD with Nesterov's momentum",
    sgd({ learningRate: 0.1, momentum: 0.9, weightDecay: 0.3, nesterov: true }),
    [0.924, -1.848, 0.4145, 2.905],
    [0.413734604868, -0.827469209736, -0.4227916901485, 3.004248993835],
  ],
])("%s steps as PyTorch's", (_name, make, first, fourth) => {
  using weight = vector([1, -2, 0.5, 3]);
  using optimizer = make([["weight", weight]]);
  const seen: number[][] = [];
  for (let t = 1; t <= 4; t++) {
    giveGradient(
      weight,
      [0.1, -0.2, 0.3, -0.4].map((g) => g * t),
    );
    optimizer.step();
    seen.push(weight.toArray());
  }
  weight.toArray().forEach((value, i) => {
    expect(seen[0]![i]).toBeCloseTo(first[i]!, 13);
    expect(value).toBeCloseTo(fourth[i]!, 13);
  });
});

/** AdamW on one number, as algorithm 2 of Loshchilov and Hutter has it. */
function referenceAdamW(
  weight: number,
  gradients: readonly (number | null)[],
  options: Omit<AdamWOptions, "masterWeights">,
): number {
  const { learningRate, betas, eps, weightDecay } = options;
  let [mean, squareMean, step] = [0, 0, 0];
  for (const gradient of gradients) {
    if (gradient === null) continue;
    step++;
    weight -= learningRate * weightDecay * weight;
    mean = betas[0] * mean + (1 - betas[0]) * gradient;
    squareMean = betas[1] * squareMean + (1 - betas[1]) * gradient ** 2;
    const corrected = mean / (1 - betas[0] ** step);
    weight -= (learningRate * corrected) / (Math.sqrt(squareMean / (1 - betas[1] ** step)) + eps);
  }
  return weight;
}

test("AdamW equals a reference on plain numbers, also where gradients are missing at times", () => {
  // Not fc.double, most of whose numbers are too small to matter.
  const thousandths = (min: number, max: number) => fc.integer({ min, max }).map((n) => n / 1000);
  const number = thousandths(-10_000, 10_000);
  const gradients = fc.array(fc.option(number, { freq: 4 }), { minLength: 1, maxLength: 6 });
  const options = fc.record({
    learningRate: thousandths(0, 1000),
    betas: fc.tuple(thousandths(0, 990), thousandths(0, 999)),
    eps: thousandths(1, 1000),
    weightDecay: thousandths(0, 1000),
  });
  fc.assert(
    fc.property(
      fc.array(fc.tuple(number, gradients), { minLength: 1, maxLength: 4 }),
      options,
      (each, given) => {
        runtime.scope(() => {
          const named = each.map(([start], i) => [`${i}`, vector([start])] as const);
          using optimizer = new AdamW(named, given);
          for (let t = 0; t < 6; t++) {
            named.forEach(([, parameter], i) => {
              const gradient = each[i]![1][t] ?? null;
              if (gradient === null) parameter.grad = null;
              else giveGradient(parameter, [gradient]);
            });
            optimizer.step();
          }
          named.forEach(([, parameter], i) => {
            const expected = referenceAdamW(each[i]![0], each[i]![1], given);
            const tolerance = 1e-9 * Math.max(1, Math.abs(expected));
            expect(Math.abs(parameter.item() - expected)).toBeLessThanOrEqual(tolerance);
            parameter.dispose();
          });
        });
      },
    ),
  );
});

test("norms and biases get no weight decay, tied weights one step", () => {
  const matrix = new Parameter(runtime.ones([2, 2]));
  const bias = new Parameter(runtime.ones([2]));
  using optimizer = new SGD(
    weightDecayGroups(
      [
        ["embedding.weight", matrix],
        ["bias", bias],
        ["head.weight", matrix],
      ],
      0.5,
    ),
    { learningRate: 1 },
  );
  for (const parameter of [matrix, bias]) parameter.grad = runtime.zeros(parameter.shape);
  optimizer.step();
  expect(matrix.toArray()).toEqual([0.5, 0.5, 0.5, 0.5]);
  expect(bias.toArray()).toEqual([1, 1]);
  optimizer.learningRate = 0.5;
  expect(optimizer.groups.map(({ options }) => options.learningRate)).toEqual([0.5, 0.5]);
  optimizer.step();
  expect(matrix.toArray()[0]).toBe(0.375);
  optimizer.zeroGrad();
  expect([matrix.grad, bias.grad]).toEqual([null, null]);
  for (const parameter of [matrix, bias]) parameter.dispose();
});

test("a loaded state continues as if nothing had happened", () => {
  runtime.scope(() => {
    const [stayed, moved] = [vector([1, 2]), vector([1, 2])];
    using before = new AdamW([["w", stayed]]);
    const step = (optimizer: AdamW, parameter: Parameter, t: number) => {
      giveGradient(parameter, [t, -t]);
      optimizer.step();
    };
    for (let t = 1; t <= 3; t++) step(before, stayed, t);
    moved.dispose();
    const resumed = vector(stayed.toArray());
    using after = new AdamW([["w", resumed]]);
    const state = before.stateDict();
    expect(Object.keys(state)).toEqual(["w.step", "w.exp_avg", "w.exp_avg_sq"]);
    expect(state["w.step"]!.item()).toBe(3);
    after.loadStateDict(state);
    step(before, stayed, 4);
    step(after, resumed, 4);
    expect(resumed.toArray()).toEqual(stayed.toArray());
    for (const parameter of [stayed, resumed]) parameter.dispose();
  });
});

test("a state that does not fit names every key at fault and changes nothing", () => {
  runtime.scope(() => {
    using parameter = vector([1, 2]);
    using optimizer = new AdamW([["w", parameter]]);
    const dict = {
      "w.step": runtime.zeros([], "int64"),
      "w.exp_avg": runtime.ones([3]),
      "v.step": runtime.ones([1]),
    };
    expect(() => optimizer.loadStateDict(dict)).toThrow(StateDictError);
    expect(() => optimizer.loadStateDict(dict)).toThrow(
      /unexpected: v.step\n {2}w.exp_avg: it is \[3\] in the state dict, \[2\] here\n {2}missing: w.exp_avg_sq/,
    );
    expect(optimizer.stateDict()).toEqual({});
  });
});

test("options that make no sense are refused", () => {
  using parameter = vector([1]);
  const named: NamedParameter[] = [["w", parameter]];
  expect(() => new AdamW(named, { betas: [0.9, 1] })).toThrow(
    /betas of AdamW must be at least 0 and under 1; got 1/,
  );
  expect(() => new AdamW([{ parameters: named, weightDecay: -1 }])).toThrow(OptionError);
  expect(() => new SGD(named, { nesterov: true })).toThrow(
    /momentum of SGD must be over 0 with nesterov; got 0/,
  );
  expect(() => new SGD(named, { learningRate: Number.NaN })).toThrow(OptionError);
  using other = vector([1]);
  expect(() => new SGD([...named, ["w", other]])).toThrow(/must have different names; got w twice/);
});

test("a step leaves nothing behind, and dispose the parameters alone", () => {
  using parameter = vector([1, 2]);
  giveGradient(parameter, [1, 1]);
  const baseline = runtime.addon.numTensors();
  const optimizer = new AdamW([["w", parameter]]);
  optimizer.step();
  const afterFirst = runtime.addon.numTensors();
  for (let i = 0; i < 5; i++) optimizer.step();
  expect(runtime.addon.numTensors()).toBe(afterFirst);
  optimizer.dispose();
  expect(runtime.addon.numTensors()).toBe(baseline);
});

test.each<[string, (parameters: NamedParameter[], masterWeights: boolean) => AdamW | SGD]>([
  ["AdamW", (parameters, masterWeights) => new AdamW(parameters, { learningRate: 5e-3, masterWeights })],
  [
    "SGD",
    (parameters, masterWeights) => new SGD(parameters, { learningRate: 5e-3, momentum: 0.9, masterWeights }),
  ],
])("%s with master weights trains as in float32, and rounds", (_, make) => {
  runtime.scope(() => {
    const short = new Parameter(runtime.tensor([1, -2, 0.5, 3], [4], "bfloat16"));
    const long = new Parameter(runtime.tensor([1, -2, 0.5, 3], [4], "float32"));
    const lost = new Parameter(runtime.tensor([1, -2, 0.5, 3], [4], "bfloat16"));
    short.gradDtype = "float32";
    using optimizer = make([["p", short]], true);
    using expected = make([["p", long]], false);
    using without = make([["p", lost]], false);
    for (let step = 0; step < 4; step++) {
      for (const each of [short, long]) each.grad = runtime.tensor([0.1, 0.2, -0.3, 0.4], [4], "float32");
      lost.grad = runtime.tensor([0.1, 0.2, -0.3, 0.4], [4], "bfloat16");
      for (const each of [optimizer, expected, without]) each.step();
    }
    expect(optimizer.stateDict()["p.master"]!.toArray()).toEqual(long.toArray());
    expect(short.toArray()).toEqual(runtime.tensor(long.toArray(), [4], "bfloat16").toArray());
    // Each update of the 3 is less than half the distance to the next number in bfloat16.
    expect(lost.toArray()[3]).toBe(3);
    expect(short.toArray()[3]).not.toBe(3);
    for (const each of [short, long, lost]) each.dispose();
  });
});

test("master weights are part of the state", () => {
  runtime.scope(() => {
    const [from, to] = [1, 1].map(() => new Parameter(runtime.tensor([3], [1], "bfloat16"))) as [
      Parameter,
      Parameter,
    ];
    using optimizer = new SGD([["p", from]], { learningRate: 1e-3, masterWeights: true });
    using resumed = new SGD([["p", to]], { learningRate: 1e-3, masterWeights: true });
    from.grad = runtime.tensor([1], [1], "bfloat16");
    optimizer.step();
    const state = optimizer.stateDict();
    resumed.loadStateDict(state);
    expect(resumed.stateDict()["p.master"]!.toArray()).toEqual([Math.fround(3 - 1e-3)]);
    using without = new SGD([["p", to]], { learningRate: 1e-3 });
    expect(() => without.loadStateDict(state)).toThrow(/unexpected: p\.master/);
    for (const each of [from, to]) each.dispose();
  });
});
