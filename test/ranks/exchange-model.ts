import { gelu } from "../../src/autograd/operators/activation.ts";
import { add } from "../../src/autograd/operators/arithmetic.ts";
import { linear } from "../../src/autograd/operators/linear.ts";
import { Parameter } from "../../src/autograd/parameter.ts";
import { record } from "../../src/autograd/record.ts";
import { withSeed } from "../../src/nn/initial.ts";
import { Module } from "../../src/nn/module.ts";
import { operator } from "../../src/tensor/native-operator.ts";
import type { Runtime } from "../../src/tensor/runtime.ts";
import type { Suspendable } from "../../src/tensor/suspension.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import type { ChannelKind, ProcessGroup } from "../../src/transport/process-group.ts";

const ADD = operator("aten::add", "Tensor");
const HIDDEN = 6;

function weightOf(runtime: Runtime, pipeline: number, stage: number): Parameter {
  return withSeed(runtime, 100 * pipeline + stage, () => new Parameter(runtime.randn([HIDDEN, HIDDEN])));
}

/** A stage that adds to its own product that of its twin, the same stage of another pipeline. */
export class ExchangeStage extends Module {
  readonly weight: Parameter;
  readonly #twin: ProcessGroup;
  readonly #log: string[];

  /** @param twin The group of this rank and the one that has the twin. */
  constructor(twin: ProcessGroup, pipeline: number, stage: number, log: string[]) {
    super(twin.runtime);
    this.weight = weightOf(twin.runtime, pipeline, stage);
    this.#twin = twin;
    this.#log = log;
  }

  *forward(x: Tensor): Suspendable<Tensor> {
    const own = linear(x, this.weight);
    const both = yield* this.#addTwins("F", "activations", own);
    const addTwins = this.#addTwins.bind(this);
    record("exchange", [own], [both], [], function* (node) {
      return [yield* addTwins("B", "gradients", node.gradient)];
    });
    return gelu(both);
  }

  *#addTwins(name: string, kind: ChannelKind, own: Tensor): Suspendable<Tensor> {
    const peer = 1 - this.#twin.rank;
    this.#twin.send(peer, kind, [own]);
    const receipt = this.#twin.receive(peer, kind);
    this.#log.push(`${name} sent`);
    yield receipt;
    this.#log.push(`${name} received`);
    const [theirs] = receipt.take();
    return this.runtime.call(ADD, own, theirs!);
  }
}

/** The same stage of both pipelines in one: the oracle. */
export class JointStage extends Module<[Tensor, Tensor], [Tensor, Tensor]> {
  readonly weight0: Parameter;
  readonly weight1: Parameter;

  constructor(runtime: Runtime, stage: number) {
    super(runtime);
    this.weight0 = weightOf(runtime, 0, stage);
    this.weight1 = weightOf(runtime, 1, stage);
  }

  forward(x0: Tensor, x1: Tensor): [Tensor, Tensor] {
    const [own0, own1] = [linear(x0, this.weight0), linear(x1, this.weight1)];
    return [gelu(add(own0, own1)), gelu(add(own1, own0))];
  }
}

/** Inputs and targets of one pipeline, [M, HIDDEN], one row a micro-batch. */
export function exchangeBatch(
  runtime: Runtime,
  pipeline: number,
  numMicroBatches: number,
): { inputs: Tensor; targets: Tensor } {
  return withSeed(runtime, 7 + pipeline, () => ({
    inputs: runtime.randn([numMicroBatches, HIDDEN]),
    targets: runtime.randn([numMicroBatches, HIDDEN]),
  }));
}
