import { type Program, rankOf } from "../schedule/index.ts";
import * as kernels from "../tensor/kernels/index.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { Message } from "../transport/process-group.ts";
import { StepError } from "./errors.ts";
import { gather, scatter } from "./micro-batches.ts";
import type { StageStep } from "./module-stage.ts";
import type { Criterion } from "./stage-module.ts";
import type { StepOptions, StepResult } from "./step-options.ts";

/** What enters and leaves the pipeline at one rank during one step: inputs and labels by micro-batch, losses and outputs. */
export class StepData implements StageStep {
  readonly training: boolean;
  readonly criterion: Criterion | undefined;
  readonly keepOutputs: StageStep["keepOutputs"];
  readonly #batchDim: number;
  /** Micro-batches whose last stage is here, in ascending order. */
  readonly #leaving: readonly number[];
  readonly #inputs = new Map<number, Message>();
  readonly #labels = new Map<number, Message>();
  readonly #losses = new Map<number, Tensor>();
  readonly #outputs = new Map<number, Message>();

  /**
   * @param rank As messages call it.
   * @throws StepError when this rank lacks inputs, labels or a criterion that it needs, or they cannot be cut.
   */
  constructor(
    program: Program,
    { pipelineRank, rank }: { readonly pipelineRank: number; readonly rank: number },
    batchDim: number,
    inputs: Tensor | Message | null,
    options: StepOptions,
    training: boolean,
  ) {
    this.training = training;
    this.criterion = options.criterion;
    this.#batchDim = batchDim;
    this.keepOutputs = options.returnOutputs
      ? (microBatch, outputs) => this.#outputs.set(microBatch, outputs)
      : undefined;
    const { entering, leaving } = microBatchesAt(program, pipelineRank);
    this.#leaving = leaving;
    try {
      if (entering.length > 0) this.#cutInputs(rank, entering, inputs);
      if (leaving.length > 0) this.#cutLabels(rank, options);
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  #cutInputs(rank: number, entering: readonly number[], inputs: Tensor | Message | null): void {
    if (inputs === null)
      throw invalid(rank, `the micro-batches ${rangeOf(entering)} enter here; pass their inputs to step`);
    const tensors = inputs instanceof Tensor ? [inputs] : inputs;
    this.#cut(rank, "inputs", tensors, entering, this.#inputs);
  }

  #cutLabels(rank: number, { criterion, labels }: StepOptions): void {
    const microBatches = rangeOf(this.#leaving);
    if (criterion === undefined) {
      if (this.training)
        throw invalid(
          rank,
          `the losses of the micro-batches ${microBatches} are computed here; pass a criterion`,
        );
      return;
    }
    if (labels === undefined)
      throw invalid(
        rank,
        `the labels of the micro-batches ${microBatches} are needed here; pass labels, or [] when the criterion takes none`,
      );
    this.#cut(rank, "labels", labels, this.#leaving, this.#labels);
  }

  #cut(
    rank: number,
    what: string,
    tensors: Message,
    microBatches: readonly number[],
    into: Map<number, Message>,
  ): void {
    let parts: Message[];
    try {
      parts = scatter(tensors, microBatches.length, this.#batchDim);
    } catch (error) {
      throw invalid(rank, `${what}: ${(error as Error).message}`);
    }
    microBatches.forEach((microBatch, i) => {
      into.set(microBatch, parts[i]!);
    });
  }

  /** The inputs of a micro-batch, which belong to the caller from then on. */
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

  /** Frees what was not taken. */
  dispose(): void {
    for (const messages of [this.#inputs, this.#labels, this.#outputs])
      for (const message of messages.values()) for (const tensor of message) tensor?.dispose();
    for (const loss of this.#losses.values()) loss.dispose();
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

function invalid(rank: number, message: string): StepError {
  return new StepError("INVALID_INPUT", { rank }, message);
}

function rangeOf(microBatches: readonly number[]): string {
  return `${microBatches[0]}..${microBatches.at(-1)}`;
}
