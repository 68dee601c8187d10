/**
 * What enters and leaves the pipeline at one rank in one step.
 *
 * A caller passes whole batches, and the executor works on micro-batches. Which of them enter or leave at a rank
 * depends on the schedule: under DualPipe the first half enters at rank 0 and the second half at the last rank, under
 * DualPipeV all enter and leave at rank 0. If each schedule's class cut its own inputs, a new schedule would need a new
 * class. Here the program's placement says it: micro-batches enter where their stage 0 is and leave where their last
 * stage is.
 *
 * Everything is checked and cut in the constructor. A mistake in a batch is then an error of the rank that made it,
 * before it has sent anything; later it would be a shape error in the middle of a step, while other ranks wait for
 * data.
 *
 * Ownership: `takeInputs` hands a micro-batch over to the executor, `result` hands losses and outputs over to the
 * caller, and `dispose` frees whatever neither has taken, so that a step that failed leaks nothing.
 */
import { rankOf } from "../schedule/program/placement.ts";
import type { Program } from "../schedule/program/program.ts";
import * as kernels from "../tensor/kernels/index.ts";
import { Tensor } from "../tensor/tensor.ts";
import { disposeTensors, type Message } from "../transport/process-group.ts";
import type { Source } from "./executor.ts";
import { gather, scatter, scatterProblem } from "./micro-batches.ts";
import type { StepContext } from "./stage/module-stage.ts";
import type { Criterion } from "./stage/stage.ts";
import { StepError } from "./step-error.ts";

export interface StepOptions {
  /** The number of micro-batches of the step. */
  readonly numChunks: number;
  /** Needed in training, on the ranks that hold the last stage. */
  readonly criterion?: Criterion | undefined;
  /** Needed with a criterion; `[]` when it takes none. They belong to the micro-batches whose last stage is here. */
  readonly labels?: Message | undefined;
  readonly returnOutputs?: boolean | undefined;
}

export interface StepResult {
  /** [micro-batches whose last stage is here]; null elsewhere and without a criterion. Belongs to the caller. */
  readonly loss: Tensor | null;
  /** The whole outputs of these micro-batches, if asked for. They belong to the caller. */
  readonly outputs: Tensor | Message | null;
}

export interface StepDataOptions {
  readonly program: Program;
  /** This rank in the program, and in messages. */
  readonly pipelineRank: number;
  readonly rank: number;
  readonly batchDim: number;
  readonly training: boolean;
  readonly inputs: Tensor | Message | null;
  readonly options: StepOptions;
}

/** The inputs and labels of one step by micro-batch, and the losses and outputs that come back. */
export class StepData implements Source<Message>, StepContext {
  readonly training: boolean;
  readonly criterion: Criterion | undefined;
  readonly keepOutputs: StepContext["keepOutputs"];
  readonly #rank: number;
  readonly #batchDim: number;
  /** Micro-batches whose last stage is here, in ascending order. */
  readonly #leaving: readonly number[];
  readonly #inputs = new Map<number, Message>();
  readonly #labels = new Map<number, Message>();
  readonly #losses = new Map<number, Tensor>();
  readonly #outputs = new Map<number, Message>();

  /** @throws StepError when this rank lacks inputs, labels or a criterion that it needs, or they cannot be cut. */
  constructor({ program, pipelineRank, rank, batchDim, training, inputs, options }: StepDataOptions) {
    this.training = training;
    this.criterion = options.criterion;
    this.#rank = rank;
    this.#batchDim = batchDim;
    this.keepOutputs = options.returnOutputs
      ? (microBatch, outputs) => this.#outputs.set(microBatch, outputs)
      : undefined;
    const { entering, leaving } = microBatchesAt(program, pipelineRank);
    this.#leaving = leaving;
    try {
      if (entering.length > 0) this.#cutInputs(entering, inputs);
      if (leaving.length > 0) this.#cutLabels(options);
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  #cutInputs(entering: readonly number[], inputs: Tensor | Message | null): void {
    if (inputs === null)
      throw this.#invalid(`the micro-batches ${rangeOf(entering)} enter here; pass their inputs to step`);
    const tensors = inputs instanceof Tensor ? [inputs] : inputs;
    this.#cut("inputs", tensors, entering, this.#inputs);
  }

  #cutLabels({ criterion, labels }: StepOptions): void {
    const microBatches = rangeOf(this.#leaving);
    if (criterion === undefined) {
      if (this.training)
        throw this.#invalid(
          `the losses of the micro-batches ${microBatches} are computed here; pass a criterion`,
        );
      return;
    }
    if (labels === undefined)
      throw this.#invalid(
        `the labels of the micro-batches ${microBatches} are needed here; pass labels, or [] when the criterion takes none`,
      );
    this.#cut("labels", labels, this.#leaving, this.#labels);
  }

  #cut(
    what: "inputs" | "labels",
    tensors: Message,
    microBatches: readonly number[],
    into: Map<number, Message>,
  ): void {
    const problem = scatterProblem(tensors, microBatches.length, this.#batchDim);
    if (problem !== undefined) throw this.#invalid(`${what}: ${problem}`);
    const parts = scatter(tensors, microBatches.length, this.#batchDim);
    microBatches.forEach((microBatch, i) => {
      into.set(microBatch, parts[i]!);
    });
  }

  takeInputs(microBatch: number): Message {
    const inputs = this.#inputs.get(microBatch)!;
    this.#inputs.delete(microBatch);
    return inputs;
  }

  labelsOf(microBatch: number): Message {
    return this.#labels.get(microBatch) ?? [];
  }

  keepLoss(microBatch: number, loss: Tensor): void {
    this.#losses.set(microBatch, loss);
  }

  result(): StepResult {
    const losses = this.#leaving.flatMap((microBatch) => this.#losses.get(microBatch) ?? []);
    const outputs = this.#leaving.flatMap((microBatch) => {
      const message = this.#outputs.get(microBatch);
      return message === undefined ? [] : [message];
    });
    const whole = outputs.length > 0 ? gather(outputs, this.#batchDim) : null;
    return {
      loss: losses.length > 0 ? stack(losses) : null,
      outputs: whole !== null && whole.length === 1 ? whole[0]! : whole,
    };
  }

  /** Frees everything that was not taken. */
  dispose(): void {
    for (const messages of [this.#inputs, this.#labels, this.#outputs])
      for (const message of messages.values()) disposeTensors(message);
    for (const loss of this.#losses.values()) loss.dispose();
  }

  #invalid(message: string): StepError {
    return new StepError("INVALID_INPUT", { rank: this.#rank }, message);
  }
}

/** The micro-batches that enter at a rank, and those that leave there, in ascending order. */
export function microBatchesAt(
  { placement, numMicroBatches, numStages }: Program,
  rank: number,
): { entering: readonly number[]; leaving: readonly number[] } {
  const microBatches = Array.from({ length: numMicroBatches }, (_, microBatch) => microBatch);
  const at = (stage: number): number[] =>
    microBatches.filter((each) => rankOf(placement, stage, each) === rank);
  return { entering: at(0), leaving: at(numStages - 1) };
}

function stack(losses: readonly Tensor[]): Tensor {
  const { runtime } = losses[0]!;
  return runtime.scope(() => kernels.reshape(kernels.stack(losses, 0), [-1]));
}

function rangeOf(microBatches: readonly number[]): string {
  return `${microBatches[0]}..${microBatches.at(-1)}`;
}
