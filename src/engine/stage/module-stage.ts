// A module as a stage: what a micro-batch keeps between its forward and its W, and for how long.
//
// A pipeline's memory is the micro-batches in flight. Frameworks keep an output alive until its backward, because the
// graph hangs on the tensor. But between stages the output has a second reader: the next stage, on another rank. Once
// it is sent, its elements are of no use here. Only its graph is, and the graph saved what it needs by itself.
//
// So an output's life ends twice: its elements end when they have been sent (`outputsSent`), its graph ends with W.
// What stays in between is a root: the graph's end and the output's shape, to check the gradient that comes back. The
// inputs are marked as leaves, so that the graph of a stage begins at its inputs, and their gradients are what I gives.
// The last stage sends nothing, and its root is the loss.
//
// Each forward is a scope: of all that it makes only what was shared outlives it. Inputs and output gradients are taken
// over, and disposed whether or not the computation succeeds. Invariant: a step that ended, well or not, leaves no
// tensor of its own behind (`end`).
import { scalarGradient } from "../../autograd/backward.ts";
import type { Leaf } from "../../autograd/graph.ts";
import { markInput } from "../../autograd/record.ts";
import { InternalError } from "../../errors/internal-error.ts";
import type { Module } from "../../nn/module.ts";
import { isFloatingPoint } from "../../tensor/dtype.ts";
import { isSuspendable, type Suspendable } from "../../tensor/suspension.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { disposeTensors, type Message } from "../../transport/process-group.ts";
import { StepError, type StepErrorCode, type StepLocation } from "../errors/step-error.ts";
import { InFlight, type InFlightOptions } from "./in-flight.ts";
import { HookBackward, type OverlapHook, type OverlapResult } from "./overlap.ts";
import { lossRoot, outputRoots } from "./roots.ts";
import type { Stage, StageModule } from "./stage.ts";
import type { StepContext } from "./step-context.ts";

export interface StagePlacement {
  readonly rank: number;
  readonly stageIndex: number;
  readonly numStages: number;
}

type Leaves = readonly (Leaf | undefined)[];

/** A module as a stage: it holds the graph of each micro-batch in flight, and frees outputs once they are sent. */
export class ModuleStage implements Stage<Message> {
  readonly module: StageModule;
  readonly overlapped: Stage<Message>["overlapped"];
  readonly #placement: StagePlacement;
  readonly #isFirst: boolean;
  readonly #isLast: boolean;
  readonly #inFlight = new Map<number, InFlight>();
  #step: StepContext | undefined;
  #maxInFlight = 0;

  constructor(module: StageModule, placement: StagePlacement, hook: OverlapHook | undefined) {
    this.module = module;
    this.#placement = placement;
    this.#isFirst = placement.stageIndex === 0;
    this.#isLast = placement.stageIndex === placement.numStages - 1;
    this.overlapped = hook && ((...args) => this.#overlapped(hook, ...args));
  }

  begin(step: StepContext): void {
    this.#step = step;
    this.#maxInFlight = 0;
  }

  /** The most micro-batches whose activations this stage held at once since `begin`. */
  get maxInFlight(): number {
    return this.#maxInFlight;
  }

  /** Frees everything that the step left, whether or not it came to its end. */
  end(): void {
    for (const state of this.#inFlight.values()) state.dispose();
    this.#inFlight.clear();
    this.#step = undefined;
  }

  forward(microBatch: number, inputs: Message): Suspendable<Message> | Message {
    const { runtime } = this.module;
    return disposing(inputs, () => runtime.scopeUntilDone(() => this.#forward(microBatch, inputs)));
  }

  #forward(microBatch: number, inputs: Message): Suspendable<Message> | Message {
    const module = this.module as Module<(Tensor | null)[], Tensor | Message>;
    const leaves = this.#markInputs(inputs);
    const result = module.callOrStart(...inputs);
    return isSuspendable<Tensor | Message>(result)
      ? this.#finishForwardLater(microBatch, leaves, result)
      : this.#finishForward(microBatch, leaves, result);
  }

  *#finishForwardLater(
    microBatch: number,
    leaves: Leaves,
    computation: Suspendable<Tensor | Message>,
  ): Suspendable<Message> {
    return this.#finishForward(microBatch, leaves, yield* computation);
  }

  #finishForward(microBatch: number, leaves: Leaves, result: Tensor | Message): Message {
    const outputs = this.#asMessage(microBatch, result);
    if (!this.#isLast) return this.#keepOutputs(microBatch, leaves, outputs);
    const { criterion } = this.#current;
    const loss = criterion?.(...([...outputs, ...this.#current.labelsOf(microBatch)] as never[]));
    return this.#keepLoss(microBatch, leaves, outputs, loss);
  }

  /** Marks the inputs as the leaves of this stage's graph. Those of the first stage get no gradient. */
  #markInputs(inputs: Message): Leaves {
    const wanted = this.#current.training && !this.#isFirst;
    return inputs.map((input) =>
      input ? markInput(input, wanted && isFloatingPoint(input.dtype)) : undefined,
    );
  }

  /** Keeps the outputs until they are sent, and their graph until W. @returns The outputs to send. */
  #keepOutputs(microBatch: number, leaves: Leaves, outputs: Message): Message {
    const roots = this.#current.training ? outputRoots(outputs) : [];
    const sent = outputs.map(shareOf);
    this.#keep(microBatch, { leaves, outputs: sent, roots });
    return sent;
  }

  /** Keeps what the caller of the step wants from the last stage, and in training the loss's graph until W. */
  #keepLoss(microBatch: number, leaves: Leaves, outputs: Message, loss: unknown): Message {
    const step = this.#current;
    step.keepOutputs?.(microBatch, outputs.map(shareOf));
    if (step.criterion === undefined) return [];
    this.#checkLoss(microBatch, loss);
    step.keepLoss(microBatch, loss.share());
    if (step.training) {
      const root = lossRoot(outputs, loss);
      if (typeof root === "string") throw this.#error("LOSS_WITHOUT_GRADIENT", microBatch, root);
      const lossGrad = scalarGradient(loss).share();
      this.#keep(microBatch, { leaves, outputs: [], roots: [root], lossGrad });
    }
    return [];
  }

  #keep(microBatch: number, options: Omit<InFlightOptions, "location">): void {
    this.#inFlight.set(microBatch, new InFlight({ location: this.#locate(microBatch), ...options }));
    this.#maxInFlight = Math.max(this.#maxInFlight, this.#inFlight.size);
  }

  outputsSent(microBatch: number): void {
    this.#state(microBatch).freeOutputs();
    if (!this.#current.training) this.#inFlight.delete(microBatch);
  }

  backwardInputs(microBatch: number, outputGrads: Message | null): Suspendable<Message> {
    const state = this.#state(microBatch);
    const { walk, gradients } = state.startBackward(outputGrads);
    return disposingLater(outputGrads, inputGradsOf(state, walk.backwardInputs(gradients)));
  }

  *backwardWeights(microBatch: number, isLast: boolean): Suspendable<void> {
    yield* this.#state(microBatch).backwardWeights(isLast ? this.#current.gradientFinal : undefined);
    this.#finishBackward(microBatch);
  }

  *backward(microBatch: number, outputGrads: Message | null): Suspendable<void> {
    const { walk, gradients } = this.#state(microBatch).startBackward(outputGrads);
    yield* disposingLater(outputGrads, walk.backward(gradients));
    this.#finishBackward(microBatch);
  }

  #finishBackward(microBatch: number): void {
    this.#state(microBatch).dispose();
    this.#inFlight.delete(microBatch);
  }

  *#overlapped(
    hook: OverlapHook,
    microBatch: number,
    inputs: Message,
    other: Stage<Message>,
    otherMicroBatch: number,
    otherOutputGrads: Message | null,
  ): Suspendable<{ outputs: Message; inputGrads: Message }> {
    const backwardStage = other as ModuleStage;
    const state = backwardStage.#state(otherMicroBatch);
    const { walk, gradients } = state.startBackward(otherOutputGrads);
    const backward = new HookBackward(backwardStage.module, walk, gradients);
    const forward = this.#hooked(hook, microBatch, inputs, backward);
    const outputs = yield* disposingLater(inputs, this.module.runtime.suspendableScope(forward));
    if (!backward.isWhole)
      throw backwardStage.#error(
        "BACKWARD_NOT_RUN",
        otherMicroBatch,
        `overlappedForwardBackward must run the whole backward; it ran ${backward.ended}; call backward.backward(), or backward.backwardInputs() and then backward.backwardWeights(), to their end`,
      );
    const inputGrads = state.takeInputGrads();
    disposeTensors(otherOutputGrads ?? []);
    backwardStage.#finishBackward(otherMicroBatch);
    return { outputs, inputGrads };
  }

  *#hooked(
    hook: OverlapHook,
    microBatch: number,
    inputs: Message,
    backward: HookBackward,
  ): Suspendable<Message> {
    const leaves = this.#markInputs(inputs);
    const criterion = this.#isLast ? this.#current.criterion : undefined;
    const labels = criterion ? this.#current.labelsOf(microBatch) : [];
    const result = hook({ module: this.module, inputs, criterion, labels }, backward);
    const { outputs, loss } = isSuspendable<OverlapResult>(result) ? yield* result : result;
    const message = this.#asMessage(microBatch, outputs);
    return this.#isLast
      ? this.#keepLoss(microBatch, leaves, message, loss)
      : this.#keepOutputs(microBatch, leaves, message);
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

  #checkLoss(microBatch: number, loss: unknown): asserts loss is Tensor {
    if (loss instanceof Tensor && loss.numElements === 1) return;
    throw this.#error(
      "LOSS_NOT_SCALAR",
      microBatch,
      `the criterion must return a tensor with one element; got ${describe(loss)}; take its mean or its sum`,
    );
  }

  get #current(): StepContext {
    if (this.#step === undefined) throw new InternalError("a stage runs outside of a step");
    return this.#step;
  }

  #state(microBatch: number): InFlight {
    const state = this.#inFlight.get(microBatch);
    if (state === undefined)
      throw new InternalError(
        `stage ${this.#placement.stageIndex} holds nothing of micro-batch ${microBatch}; is the program verified?`,
      );
    return state;
  }

  #locate(microBatch: number): StepLocation {
    return { rank: this.#placement.rank, stage: this.#placement.stageIndex, microBatch };
  }

  #error(code: StepErrorCode, microBatch: number, message: string): StepError {
    return new StepError(code, this.#locate(microBatch), message);
  }
}

function* inputGradsOf(state: InFlight, walk: Suspendable<void>): Suspendable<Message> {
  yield* walk;
  return state.takeInputGrads();
}

/** Runs a computation and disposes, whether or not it succeeds, the tensors that it took over. */
function disposing<T>(tensors: Message, start: () => Suspendable<T> | T): Suspendable<T> | T {
  let suspended = false;
  try {
    const result = start();
    suspended = isSuspendable<T>(result);
    return isSuspendable<T>(result) ? disposingLater(tensors, result) : result;
  } finally {
    if (!suspended) disposeTensors(tensors);
  }
}

function* disposingLater<T>(tensors: Message | null, computation: Suspendable<T>): Suspendable<T> {
  try {
    return yield* computation;
  } finally {
    disposeTensors(tensors ?? []);
  }
}

function shareOf(tensor: Tensor | null): Tensor | null {
  return tensor?.share() ?? null;
}

function describe(value: unknown): string {
  if (value instanceof Tensor) return `a tensor of the shape [${value.shape}]`;
  return value === null ? "null" : `a value of the type ${typeof value}`;
}
