import { expect, test } from "vitest";
import { failOnLeaks } from "../../../test/leak-guard.ts";
import { Parameter } from "../../autograd/parameter.ts";
import { OptionError } from "../../errors/option-error.ts";
import { Runtime } from "../../tensor/runtime.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { Sequential } from "../containers.ts";
import { withSeed } from "../initial.ts";
import { GELU, SiLU } from "./activation.ts";
import { CausalSelfAttention } from "./attention.ts";
import { Dropout } from "./dropout.ts";
import { Embedding } from "./embedding.ts";
import { Linear } from "./linear.ts";
import { MLP } from "./mlp.ts";
import { LayerNorm, RMSNorm } from "./norm.ts";

const runtime = Runtime.load();
failOnLeaks(runtime);

const dtype = "float64";

/**
 * Values of PyTorch 1.13, as the comments say, with:
 *     sine = lambda k, *shape: (arange(prod(shape), dtype=float64) * .7 + k).sin().reshape(shape)
 */
function sine(k: number, ...shape: number[]): Tensor {
  const size = shape.reduce((a, b) => a * b, 1);
  return runtime.tensor(
    Array.from({ length: size }, (_, i) => Math.sin(i * 0.7 + k)),
    shape,
    dtype,
  );
}

function expectClose(actual: Tensor, golden: readonly number[]): void {
  const values = actual.toArray();
  expect(values).toHaveLength(golden.length);
  golden.forEach((value, i) => {
    expect(values[i]).toBeCloseTo(value, 13);
  });
}

test("initial weights are PyTorch's, number for number", () => {
  runtime.scope(() => {
    // torch.manual_seed(0); l = nn.Linear(3, 2); e = nn.Embedding(2, 3)
    runtime.seed(0);
    using linear = new Linear(runtime, 3, 2);
    using embedding = new Embedding(runtime, 2, 3);
    expectClose(
      linear.weight,
      [
        -0.004322517663240433, 0.3097158372402191, -0.4751853346824646, -0.4248946011066437,
        -0.2223689705133438, 0.15482072532176971,
      ],
    );
    expectClose(linear.bias!, [-0.011439144611358643, 0.45777493715286255]);
    expectClose(
      embedding.weight,
      [
        -1.0845223665237427, -1.3985954523086548, 0.40334683656692505, 0.8380263447761536,
        -0.7192575931549072, -0.40334352850914,
      ],
    );
    expect(
      embedding
        .call(runtime.tensor([1, 0], [2], "int64"))
        .toArray()
        .slice(0, 3),
    ).toEqual(embedding.weight.toArray().slice(3));
  });
});

test("LayerNorm gives what nn.LayerNorm gives", () => {
  runtime.scope(() => {
    // n = nn.LayerNorm(4).double(); n.weight.data = sine(1, 4); n.bias.data = sine(2, 4); n(sine(0, 2, 4))
    using norm = new LayerNorm(runtime, 4, { dtype });
    norm.loadStateDict({ weight: sine(1, 4), bias: sine(2, 4) });
    expectClose(
      norm.call(sine(0, 2, 4)),
      [
        -0.47065077291348933, 0.4821742342790018, 0.3882864438708466, -0.7920187463828563, 2.2051281928017508,
        0.6494183974946155, -0.7793903485004926, -0.8593722344268447,
      ],
    );
  });
});

test("RMSNorm divides by the root of the mean square", () => {
  runtime.scope(() => {
    // x = sine(0, 2, 4); x / (x.pow(2).mean(-1, keepdim=True) + 1e-6).sqrt() * sine(1, 4)
    using norm = new RMSNorm(runtime, 4, { dtype });
    norm.loadStateDict({ weight: sine(1, 4) });
    expectClose(
      norm.call(sine(0, 2, 4)),
      [
        0, 0.8752036509462923, 0.9119010785315033, 0.04917214142210477, 0.40267664014914256,
        -0.4969258263030451, -0.840997444918308, -0.05835671840431638,
      ],
    );
  });
});

test("GELU and SiLU", () => {
  runtime.scope(() => {
    // F.gelu(sine(0, 4)), F.silu(sine(0, 4))
    expectClose(
      new GELU(runtime).call(sine(0, 4)),
      [0, 0.47690331099074834, 0.8256082008998037, 0.6957370968080888],
    );
    expectClose(
      new SiLU(runtime).call(sine(0, 4)),
      [0, 0.42241756469985703, 0.7175928872612074, 0.607121688320768],
    );
  });
});

test("causal attention gives what nn.MultiheadAttention gives under a mask", () => {
  runtime.scope(() => {
    // a = nn.MultiheadAttention(4, 2, batch_first=True).double()
    // a.in_proj_weight.data, a.in_proj_bias.data = sine(1, 12, 4), sine(2, 12)
    // a.out_proj.weight.data, a.out_proj.bias.data = sine(3, 4, 4), sine(4, 4)
    // x = sine(0, 1, 3, 4); a(x, x, x, attn_mask=torch.ones(3, 3).triu(1).bool())[0]
    using attention = new CausalSelfAttention(runtime, 4, 2, { dtype });
    attention.loadStateDict({
      "c_attn.weight": sine(1, 12, 4),
      "c_attn.bias": sine(2, 12),
      "c_proj.weight": sine(3, 4, 4),
      "c_proj.bias": sine(4, 4),
    });
    expectClose(
      attention.call(sine(0, 1, 3, 4)),
      [
        -2.215947573784164, 0.0004878855777707969, -1.1988388669240369, -0.3796600493597494,
        -0.6010728109881616, -1.929874390527643, 0.8239472945410033, -2.261126396709859, -1.9828818053744968,
        -0.4705384054635581, -0.5442816464108295, -1.1421106311454718,
      ],
    );
    expect(() => new CausalSelfAttention(runtime, 6, 4)).toThrow(/got 4 heads and a hidden size of 6/);
  });
});

test("an MLP is two linear layers with an activation between", () => {
  runtime.scope(() => {
    using mlp = new MLP(runtime, 4, 8, { dtype });
    const { c_fc, c_proj } = mlp;
    const sequential = new Sequential(runtime, c_fc, new GELU(runtime), c_proj);
    expect(Object.keys(mlp.stateDict())).toEqual([
      "c_fc.weight",
      "c_fc.bias",
      "c_proj.weight",
      "c_proj.bias",
    ]);
    expect(mlp.call(sine(0, 2, 4)).toArray()).toEqual(sequential.call(sine(0, 2, 4)).toArray());
  });
});

test("dropout drops in training alone, and keeps the mean", () => {
  runtime.scope(() => {
    runtime.seed(0);
    const dropout = new Dropout(runtime, 0.25);
    const x = runtime.ones([10_000]);
    const values = dropout.call(x).toArray();
    expect(new Set(values)).toEqual(new Set([0, Math.fround(1 / 0.75)]));
    expect(Math.abs(values.filter((value) => value === 0).length - 2_500)).toBeLessThan(200);
    expect(dropout.eval().call(x).toArray()).toEqual(x.toArray());
    expect(() => new Dropout(runtime, 1)).toThrow(OptionError);
  });
});

test("a weight that is shared must have the layer's shape", () => {
  using weight = new Parameter(runtime.ones([2, 3]));
  expect(new Linear(runtime, 3, 2, { weight, bias: false }).parameters()).toEqual([weight]);
  expect(() => new Linear(runtime, 2, 3, { weight })).toThrow(/of the shape \[3, 2\]; got \[2, 3\]/);
});

test("a seed of its own leaves the generator as it was, and no tensor", () => {
  const baseline = runtime.addon.numTensors();
  const draw = () => runtime.scope(() => runtime.rand([3]).toArray());
  runtime.seed(5);
  const expected = draw();
  runtime.seed(5);
  const inside = [7, 7, 8].map((seed) => withSeed(runtime, seed, draw));
  expect(draw()).toEqual(expected);
  expect(inside[0]).toEqual(inside[1]);
  expect(inside[0]).not.toEqual(inside[2]);
  expect(() =>
    withSeed(runtime, 1, () => {
      throw new Error("inside");
    }),
  ).toThrow("inside");
  expect(runtime.addon.numTensors()).toBe(baseline);
});
