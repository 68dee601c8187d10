import { Backward, type GraphRoot, rootOf, scalarGradient } from "../autograd/backward.ts";
import type { Leaf } from "../autograd/graph.ts";
import { markInput } from "../autograd/record.ts";
import type { Module } from "../nn/module.ts";
import { isFloatingPoint } from "../tensor/dtype.ts";
import { isSuspendable, type Suspendable } from "../tensor/suspension.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { Message } from "../transport/process-group.ts";
import { StepError, type StepErrorCode } from "./errors.ts";
import type { OverlapBackward, OverlapHook, OverlapResult } from "./overlap.ts";
import type { Stage } from "./stage.ts";
import type { Criterion, StageModule } from "./stage-module.ts";

/** What one step asks of a stage. */
export interface StageStep {
  readonly training: boolean;
  /** Of the last stage only, as the two after it. */
  readonly criterion: Criterion | undefined;
  labelsOf(microBatch: number): Message;
  keepLoss(microBatch: number, loss: Tensor): void;
  readonly keepOutputs: ((microBatch: number, outputs: Message) => void) | undefined;
}

export interface StagePlace {
  readonly rank: number;
  readonly stageIndex: number;
  readonly numStages: number;
}

/** One micro-batch between its forward and its W. */
interface InFlight {
  /** By input: where its gradient is summed, if it has one. */
  readonly leaves: readonly (Leaf | undefined)[];
  outputs: Message;
  /** By output, or the loss alone in a last stage; null where no gradient flows. */
  readonly roots: readonly (GraphRoot | null)[];
  readonly lossGrad: Tensor | undefined;
  backward: Backward | undefined;
}

/** A module as a stage: it holds the graph of each micro-batch in flight, and frees outputs once they are sent. */
export class ModuleStage implements Stage<Message> {
  readonly module: StageModule;
  readonly overlapped: Stage<Message>["overlapped"];
  readonly #place: StagePlace;
  readonly #isFirst: boolean;
  readonly #isLast: boolean;
  readonly #inFlight = new Map<number, InFlight>();
  #step: StageStep | undefined;
  #maxInFlight = 0;

  constructor(module: StageModule, place: StagePlace, hook: OverlapHook | undefined) {
    this.module = module;
    this.#place = place;
    this.#isFirst = place.stageIndex === 0;
    this.#isLast = place.stageIndex === place.numStages - 1;
    this.overlapped = hook && ((...args) => this.#overlapped(hook, ...args));
  }

  begin(step: StageStep): void {
    this.#step = step;
    this.#maxInFlight = 0;
  }

  /** The most micro-batches whose activations this stage held at once since `begin`. */
  get maxInFlight(): number {
    return this.#maxInFlight;
  }

  /** Frees whatever the step left, whether or not it came to its end. */
  end(): void {
    for (const state of this.#inFlight.values()) {
      for (const tensor of [...state.outputs, state.lossGrad]) tensor?.dispose();
      for (const leaf of state.leaves) leaf?.grad?.dispose();
      (state.backward ?? new Backward(present(state.roots))).end();
    }
    this.#inFlight.clear();
    this.#step = undefined;
  }

  forward(microBatch: number, inputs: Message): Suspendable<Message> {
    const module = this.module as Module<(Tensor | null)[], Tensor | Message>;
    const leaves = this.#markInputs(inputs);
    const computation = this.#forward(microBatch, leaves, module.start(...inputs));
    return this.#disposing(inputs, module.runtime.suspendableScope(computation));
  }

  *#forward(
    microBatch: number,
    leaves: readonly (Leaf | undefined)[],
    computation: Suspendable<Tensor | Message>,
  ): Suspendable<Message> {
    const outputs = this.#asMessage(microBatch, yield* computation);
    const { criterion } = this.#current;
    const loss =
      this.#isLast && criterion
        ? criterion(...([...outputs, ...this.#current.labelsOf(microBatch)] as never[]))
        : undefined;
    return this.#keep(microBatch, leaves, outputs, loss);
  }

  /** Marks the inputs as the leaves of this stage's graph. Those of the first stage get no gradient. */
  #markInputs(inputs: Message): (Leaf | undefined)[] {
    const wanted = this.#current.training && !this.#isFirst;
    return inputs.map((input) =>
      input ? markInput(input, wanted && isFloatingPoint(input.dtype)) : undefined,
    );
  }

  /** Keeps what the backward needs, and returns the outputs to send. */
  #keep(
    microBatch: number,
    leaves: readonly (Leaf | undefined)[],
    outputs: Message,
    loss: Tensor | undefined,
  ): Message {
    const step = this.#current;
    const share = (output: Tensor | null): Tensor | null => output?.share() ?? null;
    let ends: Message = outputs;
    if (this.#isLast) {
      step.keepOutputs?.(microBatch, outputs.map(share));
      ends = [];
      if (step.criterion) {
        ends = [this.#checkLoss(microBatch, loss)];
        step.keepLoss(microBatch, loss!.share());
      }
    }
    const sent = this.#isLast ? [] : outputs.map(share);
    if (step.training || sent.length > 0) {
      const roots = step.training ? ends.map((end) => (end ? rootOf(end) : null)) : [];
      const lossGrad = this.#isLast && step.training ? scalarGradient(loss!).share() : undefined;
      this.#inFlight.set(microBatch, { leaves, outputs: sent, roots, lossGrad, backward: undefined });
      this.#maxInFlight = Math.max(this.#maxInFlight, this.#inFlight.size);
    }
    return sent;
  }

  outputsSent(microBatch: number): void {
    const state = this.#state(microBatch);
    for (const output of state.outputs) output?.dispose();
    state.outputs = [];
    if (!this.#current.training) this.#inFlight.delete(microBatch);
  }

  backwardInput(microBatch: number, outputGrads: Message): Suspendable<Message> {
    const state = this.#state(microBatch);
    const gradients = this.#startBackward(microBatch, state, outputGrads);
    return this.#disposing(outputGrads, this.#walk(state, state.backward!.backwardInputs(gradients)));
  }

  *backwardWeight(microBatch: number): Suspendable<void> {
    yield* this.#state(microBatch).backward!.backwardWeights();
    this.#finishBackward(microBatch);
  }

  *backward(microBatch: number, outputGrads: Message): Suspendable<void> {
    const state = this.#state(microBatch);
    const gradients = this.#startBackward(microBatch, state, outputGrads);
    yield* this.#disposing(outputGrads, this.#walk(state, state.backward!.backward(gradients)));
    this.#finishBackward(microBatch);
  }

  *#walk(state: InFlight, walk: Suspendable<void>): Suspendable<Message> {
    yield* walk;
    return takeInputGrads(state);
  }

  /** Makes the walk from those outputs that got a gradient, and returns these gradients. */
  #startBackward(microBatch: number, state: InFlight, outputGrads: Message): Tensor[] {
    const { roots } = state;
    const given = this.#isLast ? [state.lossGrad!] : outputGrads;
    if (given.length !== roots.length)
      throw this.#error(
        "SHAPE_MISMATCH",
        microBatch,
        `${given.length} gradients arrived for ${roots.length} outputs; the next stage must take every output as an input`,
      );
    const gradients: Tensor[] = [];
    const walked: GraphRoot[] = [];
    roots.forEach((root, i) => {
      const gradient = given[i] ?? null;
      if (root === null) return;
      if (gradient === null) {
        new Backward([root]).end();
        return;
      }
      if (String(gradient.shape) !== String(root.shape))
        throw this.#error(
          "SHAPE_MISMATCH",
          microBatch,
          `output ${i} has the shape [${root.shape}] and its gradient [${gradient.shape}]; they must be equal`,
        );
      walked.push(root);
      gradients.push(gradient);
    });
    state.backward = new Backward(walked);
    return gradients;
  }

  #finishBackward(microBatch: number): void {
    const state = this.#state(microBatch);
    state.backward!.end();
    state.lossGrad?.dispose();
    this.#inFlight.delete(microBatch);
  }

  *#overlapped(
    hook: OverlapHook,
    microBatch: number,
    inputs: Message,
    other: Stage<Message>,
    otherMicroBatch: number,
    otherOutputGrads: Message,
  ): Suspendable<{ outputs: Message; inputGrads: Message }> {
    const backwardStage = other as ModuleStage;
    const state = backwardStage.#state(otherMicroBatch);
    const gradients = backwardStage.#startBackward(otherMicroBatch, state, otherOutputGrads);
    const walk = state.backward!;
    const ended = new Set<keyof OverlapBackward>();
    const noting = function* (part: keyof OverlapBackward, whole: Suspendable<void>): Suspendable<void> {
      yield* whole;
      ended.add(part);
    };
    const backward: OverlapBackward = {
      module: backwardStage.module,
      all: () => noting("all", walk.backward(gradients)),
      inputs: () => noting("inputs", walk.backwardInputs(gradients)),
      weights: () => noting("weights", walk.backwardWeights()),
    };
    const forward = this.#hooked(hook, microBatch, inputs, backward);
    const outputs = yield* this.#disposing(inputs, this.module.runtime.suspendableScope(forward));
    if (!ended.has("all") && !(ended.has("inputs") && ended.has("weights")))
      throw backwardStage.#error(
        "BACKWARD_NOT_RUN",
        otherMicroBatch,
        `overlappedForwardBackward must run the whole backward; it ran ${[...ended].join(" and ") || "none of it"}; call backward.all(), or backward.inputs() and then backward.weights(), to their end`,
      );
    const inputGrads = takeInputGrads(state);
    for (const gradient of otherOutputGrads) gradient?.dispose();
    backwardStage.#finishBackward(otherMicroBatch);
    return { outputs, inputGrads };
  }

  *#hooked(
    hook: OverlapHook,
    microBatch: number,
    inputs: Message,
    backward: OverlapBackward,
  ): Suspendable<Message> {
    const leaves = this.#markInputs(inputs);
    const criterion = this.#isLast ? this.#current.criterion : undefined;
    const labels = criterion ? this.#current.labelsOf(microBatch) : [];
    const result = hook({ module: this.module, inputs, criterion, labels }, backward);
    const { outputs, loss } = isSuspendable<OverlapResult>(result) ? yield* result : result;
    return this.#keep(microBatch, leaves, this.#asMessage(microBatch, outputs), loss);
  }

  /** Runs a computation and disposes, whatever becomes of it, the tensors that it took over. */
  *#disposing<T>(tensors: Message, computation: Suspendable<T>): Suspendable<T> {
    try {
      return yield* computation;
    } finally {
      for (const tensor of tensors) tensor?.dispose();
    }
  }

  #asMessage(microBatch: number, outputs: unknown): Message {
    const list = Array.isArray(outputs) ? outputs : [outputs];
    for (const output of list)
      if (output !== null && !(output instanceof Tensor))
        throw this.#error(
          "INVALID_STAGE_OUTPUT",
          microBatch,
          `a stage must return a tensor, or a list of tensors and nulls; got ${describe(output)}`,
        );
    return list;
  }

  #checkLoss(microBatch: number, loss: unknown): Tensor {
    if (loss instanceof Tensor && loss.numElements === 1) return loss;
    throw this.#error(
      "LOSS_NOT_SCALAR",
      microBatch,
      `the criterion must return a tensor with one element; got ${describe(loss)}; take its mean or its sum`,
    );
  }

  get #current(): StageStep {
    if (this.#step === undefined) throw new Error("dualpipe (internal): a stage runs outside of a step");
    return this.#step;
  }

  #state(microBatch: number): InFlight {
    const state = this.#inFlight.get(microBatch);
    if (state === undefined)
      throw new Error(
        `dualpipe (internal): stage ${this.#place.stageIndex} holds nothing of micro-batch ${microBatch}; is the program verified?`,
      );
    return state;
  }

  #error(code: StepErrorCode, microBatch: number, message: string): StepError {
    return new StepError(
      code,
      { rank: this.#place.rank, stage: this.#place.stageIndex, microBatch },
      message,
    );
  }
}

function present<T>(list: readonly (T | null)[]): T[] {
  return list.filter((element): element is T => element !== null);
}

/** The gradients of a stage's inputs, which belong to the caller from then on. */
function takeInputGrads(state: InFlight): Message {
  return state.leaves.map((leaf) => {
    const grad = leaf?.grad ?? null;
    if (leaf) leaf.grad = null;
    return grad;
  });
}

function describe(value: unknown): string {
  if (value instanceof Tensor) return `a tensor of the shape [${value.shape}]`;
  return value === null ? "null" : `a value of the type ${typeof value}`;
}
