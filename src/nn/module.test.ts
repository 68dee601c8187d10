import { describe, expect, test } from "vitest";
import { failOnLeaks } from "../../test/leak-guard.ts";
import { backward } from "../autograd/backward.ts";
import { noGrad } from "../autograd/grad-mode.ts";
import { gelu } from "../autograd/operators/activation.ts";
import { mseLoss } from "../autograd/operators/loss.ts";
import { sum } from "../autograd/operators/reduction.ts";
import { Parameter } from "../autograd/parameter.ts";
import { AdamW } from "../optim/adamw.ts";
import { Runtime } from "../tensor/runtime.ts";
import { finish, type Suspendable, type Transfer } from "../tensor/suspension.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { ModuleList, Sequential } from "./containers.ts";
import { Linear } from "./layers/linear.ts";
import { Module } from "./module.ts";
import { StateDictError } from "./state-dict.ts";

const runtime = Runtime.load();
failOnLeaks(runtime);

class Tied extends Module {
  readonly first = new Linear(this.runtime, 3, 3);
  readonly rest = new ModuleList(
    this.runtime,
    [
      new Linear(this.runtime, 3, 3, { weight: this.first.weight }),
      new Linear(this.runtime, 3, 3, { bias: false }),
    ],
    { firstIndex: 4 },
  );

  forward(x: Tensor): Tensor {
    for (const layer of [this.first, ...this.rest]) x = gelu(layer.call(x));
    return x;
  }
}

/** Yields one transfer in the middle, and counts its waits. */
class Communicating extends Module {
  numWaits = 0;
  readonly inner: Module;

  constructor(inner: Module) {
    super(inner.runtime);
    this.inner = inner;
  }

  *forward(x: Tensor): Suspendable<Tensor> {
    const y = gelu(x);
    yield this.transfer();
    return yield* this.inner.start(gelu(y));
  }

  protected transfer(): Transfer {
    return { isDone: () => false, wait: () => void this.numWaits++ };
  }
}

class Broken extends Communicating {
  protected override transfer(): Transfer {
    const wait = () => {
      throw new Error("the link is down");
    };
    return { isDone: () => false, wait };
  }
}

const names = (module: Module, removeDuplicate: boolean) =>
  module.namedParameters({ removeDuplicate }).map(([name]) => name);

test("parameters have PyTorch's dotted names, a tied one its first", () => {
  using tied = new Tied(runtime);
  const all = ["first.weight", "first.bias", "rest.4.weight", "rest.4.bias", "rest.5.weight"];
  expect(names(tied, false)).toEqual(all);
  expect(names(tied, true)).toEqual(all.filter((name) => name !== "rest.4.weight"));
  expect(Object.keys(tied.stateDict())).toEqual(all);
  using sequential = new Sequential(runtime, new Linear(runtime, 2, 2), new Tied(runtime));
  expect(names(sequential, true).slice(0, 3)).toEqual(["0.weight", "0.bias", "1.first.weight"]);
});

test("parameters and modules are found in arrays, plain objects, Maps and Sets, at any depth", () => {
  const layer = () => new Linear(runtime, 1, 1, { bias: false });
  const parameter = () => new Parameter(runtime.ones([1]));
  class Holder extends Module {
    readonly layers = [layer(), [layer()]];
    readonly weights = [parameter()];
    readonly experts = { a: layer(), deep: { b: [layer()] } };
    readonly byName = new Map<string, Module>([["x", layer()]]);
    readonly inSet = new Set([layer(), parameter()]);
    readonly numbers = [1, 2, "three", null];
    readonly itself: unknown[] = [];

    forward(x: Tensor): Tensor {
      return x;
    }
  }
  using holder = new Holder(runtime);
  holder.itself.push(holder.itself);
  expect(names(holder, true)).toEqual([
    "weights.0",
    "inSet.1",
    "layers.0.weight",
    "layers.1.0.weight",
    "experts.a.weight",
    "experts.deep.b.0.weight",
    "byName.x.weight",
    "inSet.0.weight",
  ]);
  holder.eval();
  expect([...holder.namedChildren()].map(([name, child]) => [name, child.training])).toEqual([
    ["layers.0", false],
    ["layers.1.0", false],
    ["experts.a", false],
    ["experts.deep.b.0", false],
    ["byName.x", false],
    ["inSet.0", false],
  ]);
});

test("a module may refer to its parent", () => {
  class Child extends Module {
    readonly inner = new Linear(this.runtime, 1, 1, { bias: false });
    parent: Module | undefined;
    forward(x: Tensor): Tensor {
      return this.inner.call(x);
    }
  }
  class Parent extends Module {
    readonly child = new Child(this.runtime);
    forward(x: Tensor): Tensor {
      return this.child.call(x);
    }
  }
  using parent = new Parent(runtime);
  parent.child.parent = parent;
  expect(names(parent, false)).toEqual(["child.inner.weight"]);
  expect(parent.eval().child.training).toBe(false);
});

test("a state dict carries the values over in place, and converts the dtype", () => {
  using source = new Linear(runtime, 2, 3, { dtype: "float64" });
  using target = new Linear(runtime, 2, 3);
  const { weight } = target;
  const view = weight.transposed;
  expect(target.loadStateDict(source.stateDict())).toEqual({ missing: [], unexpected: [] });
  expect(target.weight).toBe(weight);
  expect(weight.toArray()).toEqual(Array.from(Float32Array.from(source.weight.toArray())));
  expect(view.shape).toEqual([2, 3]);
  expect(view.toArray()[1]).toBe(weight.toArray()[2]);
});

test("a state dict that does not fit names every key at fault and changes nothing", () => {
  runtime.scope(() => {
    using target = new Tied(runtime);
    const before = target.first.bias!.toArray();
    const dict = {
      "first.bias": runtime.ones([3]),
      "first.weight": runtime.ones([2, 3]),
      "rest.4.bias": runtime.ones([3]),
      other: runtime.ones([1]),
    };
    expect(() => target.loadStateDict(dict)).toThrow(StateDictError);
    expect(() => target.loadStateDict(dict)).toThrow(
      /fit Tied:\n {2}missing: rest.5.weight\n {2}unexpected: other\n {2}first.weight: it is \[2,3\] in the state dict, \[3,3\] in the module/,
    );
    expect(() => target.loadStateDict(dict, { strict: false })).toThrow(/first.weight: it is/);
    expect(target.first.bias!.toArray()).toEqual(before);
    const { "first.weight": _, ...rest } = dict;
    expect(target.loadStateDict(rest, { strict: false })).toEqual({
      missing: ["first.weight", "rest.4.weight", "rest.5.weight"],
      unexpected: ["other"],
    });
    expect(target.first.bias!.toArray()).toEqual([1, 1, 1]);
  });
});

test("a tied parameter is not missing when another of its names is there", () => {
  using target = new Tied(runtime);
  const { "rest.4.weight": _, ...dict } = target.stateDict();
  expect(target.loadStateDict(dict).missing).toEqual([]);
});

test("train and eval reach every module within", () => {
  using tied = new Tied(runtime);
  expect(tied.training).toBe(true);
  tied.eval();
  expect([tied, tied.first, tied.rest, ...tied.rest].map(({ training }) => training)).not.toContain(true);
  expect(tied.train().first.training).toBe(true);
});

test("after a step nothing is left but parameters, and without gradients nothing but what was there", () => {
  const baseline = runtime.addon.numTensors();
  const model = new Sequential(runtime, new Tied(runtime), new Communicating(new Linear(runtime, 3, 2)));
  const numParameters = model.parameters().length;
  const step = () =>
    runtime.scope(() => {
      backward(mseLoss(model.call(runtime.ones([4, 3])), runtime.zeros([4, 2])));
      const withGradients = model.parameters().filter(({ grad }) => grad !== null).length;
      model.zeroGrad();
      return withGradients;
    });
  expect(step()).toBe(numParameters);
  const afterFirst = runtime.addon.numTensors();
  for (let i = 0; i < 3; i++) step();
  expect(runtime.addon.numTensors()).toBe(afterFirst);
  model.dispose();
  expect(runtime.addon.numTensors()).toBe(baseline);
});

test("a call leaves its output alone behind, also one that was suspended", () => {
  using model = new Communicating(new Tied(runtime));
  const x = runtime.ones([2, 3]);
  noGrad(runtime, () => {
    model.call(x).dispose();
    const before = runtime.addon.numTensors();
    const called = model.call(x);
    expect(runtime.addon.numTensors()).toBe(before + 1);
    const finished = finish(model.start(x));
    expect(runtime.addon.numTensors()).toBe(before + 2);
    const abandoned = model.start(x);
    abandoned.next();
    expect(runtime.addon.numTensors()).toBeGreaterThan(before + 2);
    abandoned.return(called);
    expect(runtime.addon.numTensors()).toBe(before + 2);
    for (const tensor of [called, finished, x]) tensor.dispose();
  });
});

test("a forward that communicates is run to its end by call, and to each transfer by start", () => {
  runtime.scope(() => {
    using inner = new Communicating(new Linear(runtime, 3, 2));
    const outer = new Sequential(runtime, inner, new Linear(runtime, 2, 2));
    const x = runtime.ones([1, 3]);
    const called = outer.call(x).toArray();
    expect(inner.numWaits).toBe(1);
    const computation = outer.start(x);
    expect(computation.next().done).toBe(false);
    const outside = runtime.ones([1]);
    const last = computation.next();
    expect(last.done).toBe(true);
    expect((last.value as Tensor).toArray()).toEqual(called);
    expect(outside.disposed).toBe(false);
    expect(inner.numWaits).toBe(1);
    outer.dispose();
  });
});

test("a failed wait frees what the suspended parts had made", () => {
  using model = new Sequential(runtime, new Broken(new Linear(runtime, 3, 2)));
  const x = runtime.ones([1, 3]);
  const before = runtime.addon.numTensors();
  expect(() => model.call(x)).toThrow("the link is down");
  expect(runtime.addon.numTensors()).toBe(before);
  x.dispose();
});

describe("a frozen module", () => {
  test("has no gradients, loses those it had, and an optimizer leaves it as it is", () => {
    using model = new Sequential(runtime, new Linear(runtime, 2, 2), new Linear(runtime, 2, 1));
    const [first, second] = [...model.namedChildren()].map(([, child]) => child as Linear);
    using optimizer = new AdamW(model.namedParameters(), { learningRate: 0.1 });
    const gradients = () => model.parameters().map(({ grad }) => grad !== null);
    const run = () => runtime.scope(() => backward(sum(model.call(runtime.ones([3, 2])))));
    run();
    expect(gradients()).toEqual([true, true, true, true]);
    expect(first!.freeze()).toBe(first);
    expect(gradients()).toEqual([false, false, true, true]);
    run();
    const before = model.parameters().map((parameter) => parameter.toArray());
    optimizer.step();
    const after = model.parameters().map((parameter) => parameter.toArray());
    expect(after.slice(0, 2)).toEqual(before.slice(0, 2));
    expect(after.slice(2)).not.toEqual(before.slice(2));
    model.zeroGrad();
    model.freeze();
    second!.unfreeze();
    run();
    expect(gradients()).toEqual([false, false, true, true]);
    model.zeroGrad();
  });
});
