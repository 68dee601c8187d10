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
import { requiresGrad } from "../autograd/graph.ts";
import { isGradientLost } from "../autograd/lost-gradient.ts";
import { rankOf } from "../schedule/program/placement.ts";
import type { Program } from "../schedule/program/program.ts";
import * as kernels from "../tensor/kernels/index.ts";
import { Tensor } from "../tensor/tensor.ts";
import { disposeTensors, type Message } from "../transport/process-group.ts";
import type { RowCheck } from "./batch/row-check.ts";
import { StepError } from "./errors/step-error.ts";
import type { Source } from "./executor.ts";
import {
  type Batch,
  differentRows,
  gather,
  gatherProblem,
  SameForAll,
  scatter,
  scatterProblem,
} from "./micro-batches.ts";
import type { Criterion } from "./stage/stage.ts";
import type { StepContext } from "./stage/step-context.ts";

export interface StepOptions {
  /** The number of micro-batches of the step. */
  readonly numChunks: number;
  /** Needed in training, on the ranks that hold the last stage. */
  readonly criterion?: Criterion | undefined;
  /**
   * Needed with a criterion; `[]` when it takes none. They belong to the micro-batches whose last stage is here, and
   * are cut along the batch dimension, except those in `sameForAll`.
   */
  readonly labels?: Batch | undefined;
  /** The outputs of the micro-batches must then fit together: see `StepResult.outputs`. */
  readonly returnOutputs?: boolean | undefined;
  /** With `useGraphs`: runs the step without a graph, so that the recorder sees it. The same on all ranks. */
  readonly isRecorded?: boolean | undefined;
}

export interface StepResult {
  /** [micro-batches whose last stage is here]; null elsewhere and without a criterion. Belongs to the caller. */
  readonly loss: Tensor | null;
  /**
   * The whole outputs of these micro-batches, if asked for, joined along the batch dimension; outputs without
   * dimensions become one with an element per micro-batch. They belong to the caller.
   */
  readonly outputs: Tensor | Message | null;
}

export interface StepDataOptions {
  readonly program: Program;
  /** This rank in the program, and in messages. */
  readonly pipelineRank: number;
  readonly rank: number;
  readonly batchDim: number;
  readonly training: boolean;
  readonly inputs: StepInputs;
  readonly options: StepOptions;
}

/** The inputs of a step: they are cut along the batch dimension, except those in `sameForAll`. */
export type StepInputs = Tensor | Batch | null;

/** The inputs and labels of one step by micro-batch, and the losses and outputs that come back. */
export class StepData implements Source<Message>, StepContext {
  readonly training: boolean;
  readonly criterion: Criterion | undefined;
  readonly keepOutputs: StepContext["keepOutputs"];
  gradientFinal: StepContext["gradientFinal"];
  readonly rank: number;
  readonly #batchDim: number;
  /** Micro-batches whose last stage is here, in ascending order. */
  readonly #leaving: readonly number[];
  readonly #inputs = new Map<number, Message>();
  readonly #labels = new Map<number, Message>();
  readonly #losses = new Map<number, Tensor>();
  readonly #outputs = new Map<number, Message>();
  /** The rows of what is cut here; undefined where nothing is. */
  readonly numInputRows: number | undefined;
  readonly numLabelRows: number | undefined;
  /** Compares the two, before a criterion gets labels. */
  rowCheck: RowCheck | undefined;

  /**
   * @throws StepError when this rank lacks inputs, labels or a criterion that it needs, when they cannot be cut, or
   * when they were computed from a parameter, whose gradient would be lost.
   */
  constructor({ program, pipelineRank, rank, batchDim, training, inputs, options }: StepDataOptions) {
    this.training = training;
    this.criterion = options.criterion;
    this.rank = rank;
    this.#batchDim = batchDim;
    this.keepOutputs = options.returnOutputs
      ? (microBatch, outputs) => this.#keepOutputs(microBatch, outputs)
      : undefined;
    const { entering, leaving } = microBatchesAt(program, pipelineRank);
    this.#leaving = leaving;
    try {
      if (entering.length > 0) this.#cutInputs(entering, inputs);
      if (leaving.length > 0) this.#cutLabels(options);
      this.numInputRows = this.#numRows(batchOf(inputs));
      this.numLabelRows = this.#numRows(options.labels ?? []);
      if (String(entering) === String(leaving)) this.#checkRows(inputs, options.labels);
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  #cutInputs(entering: readonly number[], inputs: StepInputs): void {
    if (inputs === null)
      throw this.#invalid(`the micro-batches ${rangeOf(entering)} enter here; pass their inputs to step`);
    this.#cut("inputs", batchOf(inputs), entering, this.#inputs);
  }

  #numRows(batch: Batch): number | undefined {
    return batch.find((tensor) => tensor instanceof Tensor)?.shape.at(this.#batchDim);
  }

  /** Where the same micro-batches enter and leave, their labels have as many rows as their inputs. */
  #checkRows(inputs: StepInputs, labels: Batch = []): void {
    const rowsOf = ({ shape }: Tensor): number => shape.at(this.#batchDim)!;
    const input = batchOf(inputs).find((tensor) => tensor instanceof Tensor);
    const label = labels.find((tensor) => tensor instanceof Tensor);
    if (input && label && rowsOf(input) !== rowsOf(label))
      throw this.#invalid(`inputs and labels: ${differentRows(input, label, this.#batchDim)}`);
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
    tensors: Batch,
    microBatches: readonly number[],
    into: Map<number, Message>,
  ): void {
    this.#checkGradients(what, tensors);
    const problem = scatterProblem(tensors, microBatches.length, this.#batchDim);
    if (problem !== undefined) throw this.#invalid(`${what}: ${problem}`);
    const parts = scatter(tensors, microBatches.length, this.#batchDim);
    microBatches.forEach((microBatch, i) => {
      into.set(microBatch, parts[i]!);
    });
  }

  /** The graph of a step begins at its inputs, so the gradient of what they were computed from would be lost. */
  #checkGradients(what: "inputs" | "labels", tensors: Batch): void {
    if (!this.training) return;
    const position = tensors.findIndex((each) => {
      const tensor = each instanceof SameForAll ? each.tensor : each;
      return tensor !== null && (requiresGrad(tensor) || isGradientLost(tensor));
    });
    if (position < 0) return;
    const place = what === "inputs" ? "in the first stage" : "in the criterion or the last stage";
    throw this.#invalid(
      `${what}: the tensor at position ${position} is a parameter or was computed from one, which would get no gradient through it; ` +
        `compute it ${place}, or pass detach(tensor) if no gradient is wanted`,
    );
  }

  #keepOutputs(microBatch: number, outputs: Message): void {
    this.#outputs.set(microBatch, outputs);
    const [first] = this.#outputs.values();
    const problem = gatherProblem(first!, outputs, this.#batchDim);
    if (problem !== undefined)
      throw new StepError(
        "INVALID_STAGE_OUTPUT",
        { rank: this.rank, microBatch },
        `returnOutputs: ${problem}; or leave returnOutputs out`,
      );
  }

  takeInputs(microBatch: number): Message {
    const inputs = this.#inputs.get(microBatch)!;
    this.#inputs.delete(microBatch);
    return inputs;
  }

  labelsOf(microBatch: number): Message {
    this.rowCheck?.check();
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
    return new StepError("INVALID_INPUT", { rank: this.rank }, message);
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

function batchOf(inputs: StepInputs): Batch {
  return inputs instanceof Tensor ? [inputs] : (inputs ?? []);
}

function stack(losses: readonly Tensor[]): Tensor {
  const { runtime } = losses[0]!;
  return runtime.scope(() => kernels.reshape(kernels.stack(losses, 0), [-1]));
}

function rangeOf(microBatches: readonly number[]): string {
  return `${microBatches[0]}..${microBatches.at(-1)}`;
}
