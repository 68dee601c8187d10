// Runs one rank's plan, once: posts receives, computes, sends what exists.
//
// The reference melts a schedule into the code that runs it, so that each schedule has an engine of its own and a bug
// of its own. Here a schedule is data, and one executor runs every program, hand-written ones too. It can be this small
// because programs are verified before they come here, and because it knows neither schedules nor tensors: a plan is a
// list, a stage is five functions, and the values between stages may be anything. Its tests run over strings.
//
// Three rules make it correct and fast for every schedule:
// 1. A receive is posted where the plan has it and waited for where its value is used. A computation waits for its own
//    inputs and for nothing else.
// 2. A value leaves at the moment it exists: outputs after F, input gradients after I and before W, even inside a B.
// 3. In a pair (an F and a B) a half that communicates is suspended, and the other half computes in the meantime.
//
// Invariant: each value has one owner. It is `held` here from its arrival until its computation has ended; after an
// error whatever is still held is discarded, so that a failed step leaves nothing.
import { InternalError } from "../errors/internal-error.ts";
import { finish, isSuspendable, type Suspendable } from "../tensor/suspension.ts";
import type { Receipt } from "../transport/process-group.ts";
import type { Link } from "./link.ts";
import type { PlannedBackward, PlannedComputation, PlannedForward, RankPlan } from "./rank-plan.ts";
import type { Stage } from "./stage/stage.ts";
import type { StepObserver } from "./step-observer.ts";

/** Where the first stage's inputs come from. */
export interface Source<Value> {
  /** The inputs of a micro-batch, which belong to the caller from then on. */
  takeInputs(microBatch: number): Value;
}

export interface ExecutorOptions<Value> {
  readonly plan: RankPlan;
  readonly stages: ReadonlyMap<number, Stage<Value>>;
  readonly source: Source<Value>;
  readonly link: Link<Value>;
  /** Told of each event in this order. */
  readonly observers: readonly StepObserver[];
  /** Makes the error to throw of one that was thrown in a computation. */
  readonly explain: (error: unknown, computation: PlannedComputation) => Error;
}

export class Executor<Value> {
  readonly #options: ExecutorOptions<Value>;
  /** The inputs of a forward and the output gradients of a backward, by stage and micro-batch. */
  readonly #activations = new Map<string, Receipt<Value>>();
  readonly #gradients = new Map<string, Receipt<Value>>();
  /** Values that are here and whose computation has not ended. */
  readonly #held = new Set<Value>();

  constructor(options: ExecutorOptions<Value>) {
    this.#options = options;
  }

  run(): void {
    try {
      this.#run();
    } finally {
      for (const value of this.#held) this.#options.link.discard(value);
    }
  }

  #run(): void {
    const { plan, link, explain } = this.#options;
    for (const entry of plan) {
      if ("receive" in entry) {
        const { kind, stage, microBatch } = entry.receive;
        const [receipts, edge, from] =
          kind === "RECV_F"
            ? ([this.#activations, "activations", stage - 1] as const)
            : ([this.#gradients, "gradients", stage + 1] as const);
        receipts.set(slot(stage, microBatch), link.receive(entry.peer, edge, { stage: from, microBatch }));
        continue;
      }
      try {
        this.#compute(entry);
      } catch (error) {
        throw explain(error, entry);
      }
    }
  }

  #compute(computation: PlannedComputation): void {
    const { forward, backward, completes } = computation;
    const { observers } = this.#options;
    // Both waits of a pair come first: what is recorded of a computation is its own time.
    const inputs = forward && this.#inputsOf(forward, computation);
    const outputGrads = backward ? this.#outputGradsOf(backward, computation) : null;
    for (const observer of observers) observer.started?.(computation);
    const isLast = completes !== undefined;
    if (forward && backward) this.#pair(forward, inputs as Value, backward, outputGrads, isLast);
    else if (forward) this.#forwardAlone(forward, inputs as Value);
    else if (backward) finish(this.#backward(backward, outputGrads, isLast));
    this.#held.delete(inputs as Value);
    this.#held.delete(outputGrads as Value);
    for (const observer of observers) {
      observer.ended?.(computation);
      if (completes !== undefined) observer.gradientsComplete?.(completes);
    }
  }

  #pair(
    forward: PlannedForward,
    inputs: Value,
    backward: PlannedBackward,
    outputGrads: Value | null,
    isLast: boolean,
  ): void {
    const stage = this.#stage(forward.stage);
    if (stage.overlapped === undefined) {
      alternate(this.#forward(forward, inputs), this.#backward(backward, outputGrads, isLast));
      return;
    }
    const other = this.#stage(backward.stage);
    const both = finish(
      stage.overlapped(forward.microBatch, inputs, other, backward.microBatch, outputGrads),
    );
    this.#sendOutputs(forward, both.outputs);
    this.#sendInputGrads(backward, both.inputGrads);
  }

  /** Plain calls all the way down, unless the stage communicates. */
  #forwardAlone(forward: PlannedForward, inputs: Value): void {
    const outputs = this.#stage(forward.stage).forward(forward.microBatch, inputs);
    this.#sendOutputs(forward, isSuspendable<Value>(outputs) ? finish(outputs) : outputs);
  }

  *#forward(forward: PlannedForward, inputs: Value): Suspendable<void> {
    const outputs = this.#stage(forward.stage).forward(forward.microBatch, inputs);
    this.#sendOutputs(forward, isSuspendable<Value>(outputs) ? yield* outputs : outputs);
  }

  /** @param isLast Whether it is the last of its stage in the step. */
  *#backward(backward: PlannedBackward, outputGrads: Value | null, isLast: boolean): Suspendable<void> {
    const stage = this.#stage(backward.stage);
    const { kind, microBatch, inputGradTo } = backward;
    if (kind === "B" && inputGradTo === "nowhere") {
      yield* stage.backward(microBatch, outputGrads);
      return;
    }
    if (kind !== "W") this.#sendInputGrads(backward, yield* stage.backwardInputs(microBatch, outputGrads));
    if (kind !== "I") yield* stage.backwardWeights(microBatch, isLast);
  }

  #inputsOf({ stage, microBatch }: PlannedForward, computation: PlannedComputation): Value {
    if (stage === 0) return this.#hold(this.#options.source.takeInputs(microBatch));
    return this.#hold(this.#take(this.#activations, stage, microBatch, computation));
  }

  /** Null where none are needed: for W, and in the last stage. */
  #outputGradsOf(backward: PlannedBackward, computation: PlannedComputation): Value | null {
    const { kind, stage, microBatch, startsFromLoss } = backward;
    if (kind === "W" || startsFromLoss) return null;
    return this.#hold(this.#take(this.#gradients, stage, microBatch, computation));
  }

  #take(
    receipts: Map<string, Receipt<Value>>,
    stage: number,
    microBatch: number,
    computation: PlannedComputation,
  ): Value {
    const key = slot(stage, microBatch);
    const receipt = receipts.get(key);
    if (receipt === undefined)
      throw new InternalError(
        `stage ${stage}, micro-batch ${microBatch} was not received; is the program lowered?`,
      );
    receipts.delete(key);
    for (const observer of this.#options.observers)
      if (observer.waiting && !receipt.isDone()) observer.waiting(computation);
    return receipt.take();
  }

  #hold(value: Value): Value {
    this.#held.add(value);
    return value;
  }

  #sendOutputs({ stage, microBatch, outputTo }: PlannedForward, outputs: Value): void {
    if (outputTo === "nowhere") return;
    const { link } = this.#options;
    if (outputTo === "here") {
      const inputs = this.#hold(link.handOver(outputs));
      this.#activations.set(slot(stage + 1, microBatch), receiptOf(inputs));
    } else link.send(outputTo, "activations", outputs, { stage, microBatch });
    this.#stage(stage).outputsSent(microBatch);
  }

  #sendInputGrads({ stage, microBatch, inputGradTo }: PlannedBackward, grads: Value): void {
    if (inputGradTo === "nowhere") return;
    this.#hold(grads);
    if (inputGradTo === "here") {
      this.#gradients.set(slot(stage - 1, microBatch), receiptOf(grads));
      return;
    }
    this.#options.link.send(inputGradTo, "gradients", grads, { stage, microBatch });
    this.#held.delete(grads);
  }

  #stage(index: number): Stage<Value> {
    const stage = this.#options.stages.get(index);
    if (stage === undefined) throw new InternalError(`this rank does not hold stage ${index}`);
    return stage;
  }
}

function slot(stage: number, microBatch: number): string {
  return `${stage}:${microBatch}`;
}

/** The receipt of a value that came from a stage of this rank. */
function receiptOf<Value>(value: Value): Receipt<Value> {
  return { isDone: () => true, wait: () => {}, take: () => value };
}

/** While the data of one is on its way, the other computes; with nothing to wait for, the first runs first. */
function alternate(first: Suspendable<void>, second: Suspendable<void>): void {
  const waiting = [first, second];
  const transfers = new Map<Suspendable<void>, { wait(): void }>();
  try {
    while (waiting.length > 0) {
      const next = waiting.shift()!;
      transfers.get(next)?.wait();
      const step = next.next();
      if (step.done) continue;
      transfers.set(next, step.value);
      waiting.push(next);
    }
  } finally {
    first.return();
    second.return();
  }
}
