import { afterEach, beforeEach, expect, test } from "vitest";
import { Loopback } from "../../test/autograd/loopback.ts";
import { failOnLeaks } from "../../test/leak-guard.ts";
import { Runtime } from "../tensor/runtime.ts";
import { finish, type Suspendable } from "../tensor/suspension.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Backward, rootOf } from "./backward.ts";
import { gelu } from "./operators/activation.ts";
import { add } from "./operators/arithmetic.ts";
import { linear } from "./operators/linear.ts";
import { Parameter } from "./parameter.ts";
import { markInput } from "./record.ts";

const runtime = Runtime.load();
failOnLeaks(runtime);
let link: Loopback;
let weight: Parameter;

beforeEach(() => {
  runtime.seed(3);
  link = new Loopback(runtime, "suspension");
  weight = new Parameter(runtime.randn([4, 4], "float64"));
});

afterEach(() => {
  weight.dispose();
  link.close();
});

function* forward(x: Tensor, name: string): Suspendable<Tensor> {
  const box = "abc".indexOf(name);
  const h = yield* link.exchange(`${name}1`, linear(x, weight), box);
  return add(yield* link.exchange(`${name}2`, gelu(h), box), x);
}

/** One micro-batch: its input, its leaf, and a walk through its graph. */
function start(value: number, name: string) {
  const x = runtime.full([2, 4], value, "float64");
  const leaf = markInput(x, true)!;
  const y = finish(runtime.suspendableScope(forward(x, name)));
  return { leaf, y, walk: new Backward([rootOf(y)!]), gradient: runtime.full([2, 4], 1 + value, "float64") };
}

type MicroBatch = ReturnType<typeof start>;

/** The gradients of all leaves after two micro-batches, whose I and W `order` runs. */
function gradientsAfter(order: (a: MicroBatch, b: MicroBatch) => void): number[][] {
  return runtime.scope(() => {
    const [a, b] = [start(0.5, "a"), start(-0.25, "b")];
    order(a, b);
    a.walk.end();
    b.walk.end();
    const gradients = [a.leaf.grad!, b.leaf.grad!, weight.grad!].map((gradient) => gradient.toArray());
    a.leaf.grad?.dispose();
    b.leaf.grad?.dispose();
    weight.grad = null;
    return gradients;
  });
}

test("two interleaved walks give the gradients of one after the other", () => {
  const inTurn = gradientsAfter((a, b) => {
    finish(a.walk.backward([a.gradient]));
    finish(b.walk.backward([b.gradient]));
  });
  link.log.length = 0;
  const interleaved = gradientsAfter((a, b) => {
    const scope = runtime.currentScope;
    const walks = [a.walk.backwardInputs([a.gradient]), b.walk.backwardInputs([b.gradient])];
    const numSteps = [0, 0];
    while (walks.length > 0) {
      for (const walk of [...walks]) {
        const step = walk.next();
        expect(runtime.currentScope).toBe(scope);
        if (step.done) walks.splice(walks.indexOf(walk), 1);
        else {
          expect(step.value.isDone()).toBe(true);
          numSteps[walk === walks[0] ? 0 : 1]!++;
        }
      }
    }
    expect(numSteps[0]! + numSteps[1]!).toBe(4);
    expect(weight.grad).toBeNull();
    finish(a.walk.backwardWeights());
    finish(b.walk.backwardWeights());
  });
  expect(link.log.filter((name) => name.startsWith("B"))).toEqual(["B a2", "B b2", "B a1", "B b1"]);
  expect(interleaved).toEqual(inTurn);
});

test("a forward runs between the parts of a backward", () => {
  const alone = gradientsAfter((a, b) => {
    finish(a.walk.backward([a.gradient]));
    finish(b.walk.backward([b.gradient]));
  });
  const among = gradientsAfter((a, b) => {
    for (const _ of a.walk.backward([a.gradient])) {
      const between = runtime.scope(() => {
        const x = runtime.ones([2, 4], "float64");
        return finish(runtime.suspendableScope(forward(x, "c"))).toArray();
      });
      expect(between).toHaveLength(8);
    }
    finish(b.walk.backward([b.gradient]));
  });
  expect(among).toEqual(alone);
});

test("a suspended walk whose scope ended around it goes on", () => {
  runtime.scope(() => {
    const { leaf, walk, gradient } = start(1, "a");
    const steps = walk.backward([gradient]);
    runtime.scope(() => {
      steps.next();
    });
    runtime.scope(() => finish(steps));
    walk.end();
    expect(leaf.grad?.toArray().every(Number.isFinite)).toBe(true);
    expect(weight.grad).not.toBeNull();
    leaf.grad?.dispose();
  });
});

test("a walk that is abandoned while it is suspended frees everything", () => {
  runtime.scope(() => {
    const { leaf, walk, gradient, y } = start(1, "a");
    const scope = runtime.currentScope;
    const steps = walk.backwardInputs([gradient]);
    expect(steps.next().done).toBe(false);
    y.dispose();
    runtime.scope(() => {
      const inner = runtime.currentScope;
      steps.return();
      expect(runtime.currentScope).toBe(inner);
    });
    walk.end();
    expect(runtime.currentScope).toBe(scope);
    expect(weight.grad).toBeNull();
    // It came around the exchanges.
    leaf.grad?.dispose();
    link.discard();
  });
});

test("a forward that is abandoned while it is suspended frees everything", () => {
  runtime.scope(() => {
    const x = runtime.ones([2, 4], "float64");
    markInput(x, true);
    const before = runtime.addon.numTensors();
    const steps = runtime.suspendableScope(forward(x, "a"));
    steps.next();
    expect(runtime.addon.numTensors()).toBeGreaterThan(before);
    steps.return(x);
    // A view that the parameter keeps was made on the way.
    expect(runtime.addon.numTensors()).toBe(before + 1);
  });
});

test("a throw after a suspension frees everything", () => {
  runtime.scope(() => {
    const steps = runtime.suspendableScope(
      (function* () {
        runtime.ones([2]);
        const y = yield* link.exchange("a", runtime.ones([2]));
        runtime.ones([3]);
        throw new Error(`planted after ${y.shape}`);
      })(),
    );
    const before = runtime.addon.numTensors();
    expect(() => finish(steps)).toThrow("planted after 2");
    expect(runtime.addon.numTensors()).toBe(before);
  });
});
