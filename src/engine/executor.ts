import { InternalError } from "../errors/internal-error.ts";
import { finish, isSuspendable, type Suspendable } from "../tensor/suspension.ts";
import type { PlannedBackward, PlannedComputation, PlannedForward, RankPlan } from "./plan.ts";
import type { Stage } from "./stage.ts";

/** A value that was asked for and may still be on its way. */
export interface Pending<Value> {
  take(): Value;
}

/** The edges of this rank, as the executor sees them. */
export interface Link<Value> {
  send(peer: number, kind: "activations" | "activation-gradients", value: Value): void;
  receive(peer: number, kind: "activations" | "activation-gradients"): Pending<Value>;
}

/** Told when each computation starts and ends, and when it first has to wait for data. */
export interface Observer {
  started(computation: PlannedComputation): void;
  ended(computation: PlannedComputation): void;
}

export interface ExecutorOptions<Value> {
  readonly plan: RankPlan;
  readonly stages: ReadonlyMap<number, Stage<Value>>;
  readonly link: Link<Value>;
  /** What the first stage computes a micro-batch from. */
  readonly inputOf: (microBatch: number) => Value;
  /** What the backward of the last stage starts from. */
  readonly lossGradOf: (microBatch: number) => Value;
  readonly numStages: number;
  /** Makes a stage's outputs, which that stage will free, the inputs of the next stage here. */
  readonly handOver: (value: Value) => Value;
  /** Frees, after an error, a value that a stage may not have taken over; one that is freed already stays so. */
  readonly discard: (value: Value) => void;
  readonly observer?: Observer;
  /** Called with the computation in which an error was thrown. */
  readonly explain: (error: unknown, computation: PlannedComputation) => Error;
}

/** Runs one rank's part of any schedule, once. It knows no schedule and no tensor. */
export class Executor<Value> {
  readonly #options: ExecutorOptions<Value>;
  /** By stage and micro-batch: inputs of a forward, and output gradients of a backward. */
  readonly #activations = new Map<string, Pending<Value>>();
  readonly #gradients = new Map<string, Pending<Value>>();
  /** Values that are here and whose computation has not ended. */
  readonly #held = new Set<Value>();

  constructor(options: ExecutorOptions<Value>) {
    this.#options = options;
  }

  run(): void {
    try {
      this.#run();
    } finally {
      for (const value of this.#held) this.#options.discard(value);
    }
  }

  #run(): void {
    const { plan, link, observer, explain } = this.#options;
    for (const entry of plan) {
      if ("receive" in entry) {
        const { kind, stage, microBatch } = entry.receive;
        if (kind === "RECV_F")
          this.#activations.set(slot(stage, microBatch), link.receive(entry.peer, "activations"));
        else this.#gradients.set(slot(stage, microBatch), link.receive(entry.peer, "activation-gradients"));
        continue;
      }
      try {
        this.#compute(entry, observer);
      } catch (error) {
        throw explain(error, entry);
      }
    }
  }

  #compute(computation: PlannedComputation, observer: Observer | undefined): void {
    const { forward, backward } = computation;
    // Both waits of a pair come first: what is recorded of a computation is its own time.
    const inputs = forward && this.#inputsOf(forward);
    const outputGrads = backward && backward.kind !== "W" ? this.#outputGradsOf(backward) : undefined;
    observer?.started(computation);
    if (forward && backward) this.#pair(forward, inputs as Value, backward, outputGrads as Value);
    else if (forward) finish(this.#forward(forward, inputs as Value));
    else if (backward) finish(this.#backward(backward, outputGrads as Value));
    this.#held.delete(inputs as Value);
    this.#held.delete(outputGrads as Value);
    observer?.ended(computation);
  }

  #pair(forward: PlannedForward, inputs: Value, backward: PlannedBackward, outputGrads: Value): void {
    const stage = this.#stage(forward.stage);
    if (stage.overlapped) {
      const both = finish(
        stage.overlapped(
          forward.microBatch,
          inputs,
          this.#stage(backward.stage),
          backward.microBatch,
          outputGrads,
        ),
      );
      this.#sendOutputs(forward, both.outputs);
      this.#sendInputGrads(backward, both.inputGrads);
      return;
    }
    alternate(this.#forward(forward, inputs), this.#backward(backward, outputGrads));
  }

  *#forward(forward: PlannedForward, inputs: Value): Suspendable<void> {
    const outputs = this.#stage(forward.stage).forward(forward.microBatch, inputs);
    this.#sendOutputs(forward, isSuspendable<Value>(outputs) ? yield* outputs : outputs);
  }

  *#backward(backward: PlannedBackward, outputGrads: Value): Suspendable<void> {
    const stage = this.#stage(backward.stage);
    const { kind, microBatch, inputGradTo } = backward;
    if (kind === "B" && inputGradTo === "nowhere") {
      yield* stage.backward(microBatch, outputGrads);
      return;
    }
    if (kind !== "W") this.#sendInputGrads(backward, yield* stage.backwardInput(microBatch, outputGrads));
    if (kind !== "I") yield* stage.backwardWeight(microBatch);
  }

  #inputsOf({ stage, microBatch }: PlannedForward): Value {
    if (stage === 0) return this.#hold(this.#options.inputOf(microBatch));
    return this.#hold(take(this.#activations, stage, microBatch));
  }

  #outputGradsOf({ stage, microBatch }: PlannedBackward): Value {
    if (stage === this.#options.numStages - 1) return this.#options.lossGradOf(microBatch);
    return this.#hold(take(this.#gradients, stage, microBatch));
  }

  #hold(value: Value): Value {
    this.#held.add(value);
    return value;
  }

  #sendOutputs({ stage, microBatch, outputTo }: PlannedForward, outputs: Value): void {
    if (outputTo === "nowhere") return;
    if (outputTo === "here") {
      const kept = this.#hold(this.#options.handOver(outputs));
      this.#activations.set(slot(stage + 1, microBatch), { take: () => kept });
    } else this.#options.link.send(outputTo, "activations", outputs);
    this.#stage(stage).outputsSent(microBatch);
  }

  #sendInputGrads({ stage, microBatch, inputGradTo }: PlannedBackward, grads: Value): void {
    if (inputGradTo === "nowhere") return;
    this.#hold(grads);
    if (inputGradTo === "here") {
      this.#gradients.set(slot(stage - 1, microBatch), { take: () => grads });
      return;
    }
    this.#options.link.send(inputGradTo, "activation-gradients", grads);
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

function take<Value>(slots: Map<string, Pending<Value>>, stage: number, microBatch: number): Value {
  const key = slot(stage, microBatch);
  const pending = slots.get(key);
  if (pending === undefined)
    throw new Error(
      `dualpipe (internal): stage ${stage}, micro-batch ${microBatch} was not received; is the program lowered?`,
    );
  slots.delete(key);
  return pending.take();
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
