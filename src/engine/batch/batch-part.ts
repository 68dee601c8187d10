// Which rows of a batch a rank gives to a step.
//
// A step takes on each rank the inputs that enter there and the labels of what leaves there, and no others. Under
// DualPipe the two are different halves of the batch: what enters at rank 0 leaves at the last rank. With replicas,
// each has a part of its own. A program that picks these rows by hand knows the schedule, and one that picks the wrong
// labels trains on noise without an error.
//
// So the rows are derived from the program, as the step derives what enters and leaves. The batch of all replicas is
// cut into all of their micro-batches at once, the first ones longer by one row when it is not divisible. The step cuts
// a rank's part again, by the same rule, and gets the same micro-batches: their sizes, in order, never grow and differ
// by at most one.
import { cat } from "../../autograd/operators/join.ts";
import { narrow } from "../../autograd/operators/slice.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { StepError } from "../errors/step-error.ts";
import type { Batch } from "../micro-batches.ts";
import type { StepInputs } from "../step-data.ts";

/** Positions in the batch of all replicas, in ascending order. */
export interface BatchRows {
  /** The rows of the inputs that enter at this rank; none where the first stage is not here. */
  readonly inputs: readonly number[];
  /** The rows of the labels for what leaves at this rank; none where the last stage is not here. */
  readonly labels: readonly number[];
}

/** The tensors of a batch; what is in `sameForAll` goes to every rank as it is. */
export interface BatchTensors {
  readonly inputs: StepInputs;
  /** None by default. */
  readonly labels?: Batch | undefined;
}

/** The tensors that a rank gives to `step`. */
export interface BatchPart {
  /** Null where the first stage is not here. */
  readonly inputs: StepInputs;
  /** Empty where the last stage is not here. */
  readonly labels: Batch;
}

export interface BatchPartsOptions {
  /** This rank, in messages. */
  readonly rank: number;
  readonly numReplicas: number;
  /** The replica that this rank is in. */
  readonly replica: number;
  readonly batchDim: number;
  /** The micro-batches that enter and leave at this rank, among those of one replica. */
  readonly endsOf: (numMicroBatches: number) => {
    readonly entering: readonly number[];
    readonly leaving: readonly number[];
  };
}

/** Consecutive rows. */
interface Run {
  readonly start: number;
  readonly length: number;
}

/** The parts of batches that one rank needs. */
export class BatchParts {
  readonly #options: BatchPartsOptions;

  constructor(options: BatchPartsOptions) {
    this.#options = options;
  }

  /** @throws StepError when there are fewer rows than micro-batches */
  rowsOf(numRows: number, numMicroBatches: number): BatchRows {
    const { inputs, labels } = this.#runsOf(numRows, numMicroBatches);
    return { inputs: rowsIn(inputs), labels: rowsIn(labels) };
  }

  /** @throws StepError when the tensors have different numbers of rows, or fewer than there are micro-batches */
  partOf({ inputs, labels = [] }: BatchTensors, numMicroBatches: number): BatchPart {
    const given = inputs instanceof Tensor ? [inputs] : (inputs ?? []);
    const runs = this.#runsOf(this.#numRowsOf([...given, ...labels]), numMicroBatches);
    const taken = runs.inputs.length === 0 ? null : this.#take(given, runs.inputs);
    return {
      inputs: taken !== null && inputs instanceof Tensor ? (taken[0] as Tensor) : taken,
      labels: runs.labels.length === 0 ? [] : this.#take(labels, runs.labels),
    };
  }

  #take(tensors: Batch, runs: readonly Run[]): Batch {
    return tensors.map((each) =>
      each instanceof Tensor ? takeRuns(each, this.#options.batchDim, runs) : each,
    );
  }

  #runsOf(numRows: number, numMicroBatches: number): { inputs: readonly Run[]; labels: readonly Run[] } {
    const { numReplicas, replica, endsOf } = this.#options;
    const { entering, leaving } = endsOf(numMicroBatches);
    const numOfAll = numReplicas * numMicroBatches;
    if (!(numRows >= numOfAll))
      throw this.#invalid(
        `a batch of ${numRows} rows cannot be cut into ${numMicroBatches} micro-batches` +
          `${numReplicas === 1 ? "" : ` of each of ${numReplicas} replicas`}; it needs a row for each, ${numOfAll}`,
      );
    const runs = (microBatches: readonly number[]) =>
      runsOfMicroBatches(
        microBatches.map((microBatch) => replica * numMicroBatches + microBatch),
        numRows,
        numOfAll,
      );
    return { inputs: runs(entering), labels: runs(leaving) };
  }

  #numRowsOf(tensors: readonly unknown[]): number {
    const { batchDim } = this.#options;
    const cut = tensors.filter((each) => each instanceof Tensor);
    const [first] = cut;
    if (first === undefined) throw this.#invalid("a batch must have at least one tensor; got none");
    const rowsOf = ({ shape }: Tensor): number => shape.at(batchDim) ?? 0;
    const other = cut.find((tensor) => rowsOf(tensor) !== rowsOf(first));
    if (other !== undefined)
      throw this.#invalid(
        `the tensors of a batch must have one number of rows, in dimension ${batchDim}; ` +
          `got the shapes [${first.shape.join(", ")}] and [${other.shape.join(", ")}]`,
      );
    return rowsOf(first);
  }

  #invalid(problem: string): StepError {
    return new StepError("INVALID_INPUT", { rank: this.#options.rank }, problem);
  }
}

/** The rows of these micro-batches of a batch, in as few runs as there are gaps between them. */
function runsOfMicroBatches(
  microBatches: readonly number[],
  numRows: number,
  numMicroBatches: number,
): Run[] {
  const shorter = Math.floor(numRows / numMicroBatches);
  const numLonger = numRows % numMicroBatches;
  const runs: { start: number; length: number }[] = [];
  for (const microBatch of microBatches) {
    const start = microBatch * shorter + Math.min(microBatch, numLonger);
    const length = shorter + (microBatch < numLonger ? 1 : 0);
    const last = runs.at(-1);
    if (last !== undefined && last.start + last.length === start) last.length += length;
    else runs.push({ start, length });
  }
  return runs;
}

function rowsIn(runs: readonly Run[]): number[] {
  return runs.flatMap(({ start, length }) => Array.from({ length }, (_, i) => start + i));
}

/** These rows of a tensor: a view of one run, a copy of several. */
function takeRuns(tensor: Tensor, dim: number, runs: readonly Run[]): Tensor {
  if (runs.length === 1) return narrow(tensor, dim, runs[0]!.start, runs[0]!.length);
  return tensor.runtime.scope(() =>
    cat(
      runs.map(({ start, length }) => narrow(tensor, dim, start, length)),
      dim,
    ),
  );
}
