// Batches of a data set, epoch by epoch.
//
// Every rank must get the same batches, and a run that goes on must get those it would have had. So the order of an
// epoch is a function of the seed and the epoch alone: ranks do not talk about it, and where a run is in its data are
// two numbers, the epoch and the batch.
//
// A rank needs the inputs that enter its pipeline and the labels of what leaves it, which under DualPipe are different
// rows. Only those are read (`rowsOf`), so that no image is decoded for nothing.
//
// A batch's tensors belong to the loader and live until the next batch: a loop over thousands of them neither piles
// them up nor has to dispose them.
import { checkedOptions, OptionError } from "../errors/option-error.ts";
import { closestName, didYouMean } from "../errors/suggestion.ts";
import type { Runtime } from "../tensor/runtime.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { ElementArray } from "../tensor/values/elements.ts";
import type { DataSet } from "./data-set.ts";
import { permutation } from "./permutation.ts";
import { Prefetcher, type RowsToRead } from "./prefetcher.ts";

export interface DataLoaderOptions {
  /** Rows of a batch, over all ranks and replicas. */
  readonly batchSize: number;
  /** The columns that are inputs, in the order of the first stage's arguments. */
  readonly inputs: readonly string[];
  /** The columns that are labels, in the order of the criterion's arguments; none by default. */
  readonly labels?: readonly string[] | undefined;
  /** Whether each epoch has an order of its own; false by default. */
  readonly shuffle?: boolean | undefined;
  /** Decides the orders; 0 by default. The same on all ranks. */
  readonly seed?: number | undefined;
  /** Whether the rows of an epoch that do not fill a batch are left out; false by default. */
  readonly dropLast?: boolean | undefined;
  /** How many batches a thread reads ahead; 0, the default, reads each when it is asked for. */
  readonly prefetch?: number | undefined;
  /**
   * Which rows of a batch this rank needs: `(numRows) => pipe.rowsOf(numRows, numChunks)`. By default all of them, for
   * `pipe.partOf`, or without a pipeline.
   */
  readonly rowsOf?:
    | ((numRows: number) => { readonly inputs: readonly number[]; readonly labels: readonly number[] })
    | undefined;
}

/** What this rank gives to `step`. The loader disposes the tensors when the next batch is asked for. */
export interface LoadedBatch {
  /** The position in the epoch, from 0. */
  readonly batchIndex: number;
  /** Rows of the whole batch. */
  readonly numRows: number;
  /** A tensor [rows, ...shape] for each input; null where no rows enter. */
  readonly inputs: readonly Tensor[] | null;
  /** A tensor [rows, ...shape] for each label; empty where no rows leave. */
  readonly labels: readonly Tensor[];
}

const NAMES = [
  "batchSize",
  "inputs",
  "labels",
  "shuffle",
  "seed",
  "dropLast",
  "prefetch",
  "rowsOf",
] as const satisfies readonly (keyof DataLoaderOptions)[];

/** A batch before it is read. */
interface PlannedBatch {
  readonly batchIndex: number;
  readonly numRows: number;
  readonly toRead: RowsToRead;
  readonly numInputs: number;
}

/**
 * Cuts a data set into batches.
 *
 * @example
 * const set = imageFolder("digits", { channels: 1 });
 * using loader = new DataLoader(runtime, set, {
 *   batchSize: 64,
 *   inputs: ["image"],
 *   labels: ["label"],
 *   shuffle: true,
 *   dropLast: true,
 *   prefetch: 2,
 *   rowsOf: (numRows) => pipe.rowsOf(numRows, 8),
 * });
 * for (let epoch = 0; epoch < 10; epoch++)
 *   for (const { inputs, labels } of loader.epoch(epoch)) {
 *     pipe.step(inputs, { numChunks: 8, criterion: crossEntropy, labels });
 *     optimizer.step();
 *     optimizer.zeroGrad();
 *   }
 */
export class DataLoader {
  readonly #runtime: Runtime;
  readonly #set: DataSet;
  readonly #options: DataLoaderOptions;
  #prefetcher: Prefetcher | undefined;

  /** @throws OptionError for an option that does not exist or is out of its range, or a column that does not exist */
  constructor(runtime: Runtime, set: DataSet, options: DataLoaderOptions) {
    this.#runtime = runtime;
    this.#set = set;
    this.#options = checkedOptions("DataLoader", options, NAMES);
    checkOptions(set, this.#options);
    if (this.numBatches === 0)
      throw new OptionError(
        `batchSize of DataLoader must be at most the ${set.numRows} rows of the data set with dropLast; got ${options.batchSize}`,
      );
  }

  /** The batches of an epoch. */
  get numBatches(): number {
    const { batchSize, dropLast = false } = this.#options;
    const numBatches = this.#set.numRows / batchSize;
    return dropLast ? Math.floor(numBatches) : Math.ceil(numBatches);
  }

  /**
   * The batches of an epoch, each read as the loop gets there, or ahead of it.
   * @param options `firstBatch`: where to go on in the epoch; 0 by default.
   * @throws FileError, DataSetError, in the loop; OptionError
   */
  *epoch(
    epoch: number,
    options: { readonly firstBatch?: number | undefined } = {},
  ): Generator<LoadedBatch, void, void> {
    const { firstBatch = 0 } = checkedOptions("epoch of DataLoader", options, ["firstBatch"]);
    checkWhole("the epoch", epoch, 0);
    checkWhole("firstBatch", firstBatch, 0);
    const { prefetch = 0 } = this.#options;
    const order = this.#orderOf(epoch);
    const ahead: { readonly planned: PlannedBatch; readonly id: number }[] = [];
    let next = firstBatch;
    try {
      for (let index = firstBatch; index < this.numBatches; index++) {
        if (prefetch === 0) {
          const planned = this.#plan(order, index);
          yield* this.#lend(
            planned,
            planned.toRead.map(({ column, rows }) => this.#set.read(column, rows)),
          );
          continue;
        }
        this.#prefetcher ??= new Prefetcher(this.#set.origin!);
        for (; next < Math.min(this.numBatches, index + 1 + prefetch); next++) {
          const planned = this.#plan(order, next);
          ahead.push({ planned, id: this.#prefetcher.request(planned.toRead) });
        }
        const { planned, id } = ahead.shift()!;
        yield* this.#lend(planned, this.#prefetcher.take(id));
      }
    } finally {
      for (const { id } of ahead) this.#prefetcher?.drop(id);
    }
  }

  #orderOf(epoch: number): Uint32Array | undefined {
    const { shuffle = false, seed = 0 } = this.#options;
    return shuffle ? permutation(this.#set.numRows, [seed, epoch]) : undefined;
  }

  #plan(order: Uint32Array | undefined, batchIndex: number): PlannedBatch {
    const { batchSize, inputs, labels = [], rowsOf } = this.#options;
    const start = batchIndex * batchSize;
    const numRows = Math.min(batchSize, this.#set.numRows - start);
    const all = Array.from({ length: numRows }, (_, i) => i);
    const part = rowsOf?.(numRows) ?? { inputs: all, labels: all };
    const inSet = (rows: readonly number[]) => rows.map((row) => order?.[start + row] ?? start + row);
    const read = (columns: readonly string[], rows: readonly number[]) =>
      rows.length === 0 ? [] : columns.map((column) => ({ column, rows }));
    const inputsToRead = read(inputs, inSet(part.inputs));
    const toRead = [...inputsToRead, ...read(labels, inSet(part.labels))];
    return { batchIndex, numRows, toRead, numInputs: inputsToRead.length };
  }

  *#lend(planned: PlannedBatch, arrays: readonly ElementArray[]): Generator<LoadedBatch, void, void> {
    const { batchIndex, numRows, toRead, numInputs } = planned;
    const tensors = arrays.map((elements, i) => {
      const { column, rows } = toRead[i]!;
      const { dtype, shape } = this.#set.columns[column]!;
      return this.#runtime.scope(() =>
        this.#runtime.fromArray(elements, [rows.length, ...shape], dtype).share(),
      );
    });
    try {
      const inputs = numInputs === 0 ? null : tensors.slice(0, numInputs);
      yield { batchIndex, numRows, inputs, labels: tensors.slice(numInputs) };
    } finally {
      for (const tensor of tensors) tensor.dispose();
    }
  }

  /** Ends the thread that reads ahead. */
  dispose(): void {
    this.#prefetcher?.dispose();
    this.#prefetcher = undefined;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

function checkOptions(
  set: DataSet,
  { batchSize, inputs, labels = [], seed = 0, prefetch = 0 }: DataLoaderOptions,
): void {
  checkWhole("batchSize", batchSize, 1);
  checkWhole("seed", seed, 0);
  checkWhole("prefetch", prefetch, 0);
  const known = Object.keys(set.columns);
  for (const [option, columns] of [
    ["inputs", inputs],
    ["labels", labels],
  ] as const) {
    if (!Array.isArray(columns))
      throw new OptionError(
        `${option} of DataLoader must be a list of columns; got ${JSON.stringify(columns)}`,
      );
    for (const column of columns as readonly string[])
      if (!known.includes(column))
        throw new OptionError(
          `${option} of DataLoader: the data set has no column ${column}${didYouMean(closestName(column, known))}; its columns are ${known.join(", ")}`,
        );
  }
  if (prefetch > 0 && set.origin === undefined)
    throw new OptionError(
      "prefetch of DataLoader must be 0 for a data set without `origin`, which no other thread can read; " +
        `got ${prefetch}`,
    );
}

function checkWhole(name: string, value: number, least: number): void {
  if (!Number.isInteger(value) || value < least)
    throw new OptionError(`${name} of DataLoader must be a whole number from ${least}; got ${value}`);
}
