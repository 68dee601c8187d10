import { runRanks } from "../src/index.ts";
import { measureProcesses } from "./processes.ts";
import { measureReference, type Reference } from "./reference.ts";
import { type RankMeasurement, stepTimesMs } from "./step-spans.ts";
import type { Configuration, Workload } from "./workload.ts";

/** The programs that are measured for each configuration, in the order of a round. */
export type Program = "pipeline" | "processes" | "reference" | "referenceWithSum" | "sequential" | "products";

export interface StepTime {
  readonly medianMs: number;
  readonly minMs: number;
  readonly maxMs: number;
  readonly numSteps: number;
}

export interface Result {
  readonly configuration: Configuration;
  readonly times: Partial<Record<Program, StepTime>>;
}

export interface MeasureOptions {
  readonly numRounds: number;
  readonly reference: Reference | undefined;
  /** False leaves the processes out, which need a LibTorch with Gloo. */
  readonly hasGloo: boolean;
  readonly onProgress: (line: string) => void;
  /** Called with the LibTorch that the reference ran on. */
  readonly onTorchVersion: (version: string) => void;
}

/** How far the losses of two programs may differ: other kernels round differently, another model is far off. */
const LOSS_TOLERANCE = 1e-3;

/**
 * Measures one configuration: all programs in turn, round after round, so that a machine that slows down slows
 * all of them.
 * @throws Error when the programs do not compute the same losses.
 */
export async function measure(workload: Workload, options: MeasureOptions): Promise<Result> {
  const times = new Map<Program, number[]>();
  const add = (program: Program, added: readonly number[]): void => {
    times.set(program, [...(times.get(program) ?? []), ...added]);
  };
  for (let round = 1; round <= options.numRounds; round++) {
    options.onProgress(`${describe(workload.configuration)}, round ${round} of ${options.numRounds}`);
    await measureRound(workload, options, add);
  }
  const summaries = [...times].map(([program, samples]) => [program, summarize(samples)]);
  return { configuration: workload.configuration, times: Object.fromEntries(summaries) };
}

async function measureRound(
  workload: Workload,
  { reference, hasGloo, onTorchVersion }: MeasureOptions,
  add: (program: Program, timesMs: readonly number[]) => void,
): Promise<void> {
  const { numRanks } = workload.configuration;
  const run = async (program: string, ranks: number): Promise<RankMeasurement[]> =>
    runRanks<RankMeasurement>(new URL(program, import.meta.url), { numRanks: ranks, data: workload });
  const spansOf = (ranks: readonly RankMeasurement[]) => ranks.map(({ spans }) => spans);

  const pipeline = await run("./pipeline-rank.ts", numRanks);
  add("pipeline", stepTimesMs(spansOf(pipeline)));
  if (hasGloo) {
    const processes = await measureProcesses<RankMeasurement>(
      "./pipeline-rank.ts",
      workload,
      numRanks,
      "cpu",
    );
    compareLosses("the pipeline over Gloo", lossesOf(processes), lossesOf(pipeline));
    add("processes", stepTimesMs(spansOf(processes)));
  }
  if (reference) {
    const { torchVersion, ranks } = await measureReference(reference, workload);
    onTorchVersion(torchVersion);
    compareLosses("the reference", lossesOf(ranks), lossesOf(pipeline));
    add("reference", stepTimesMs(spansOf(ranks)));
    add("referenceWithSum", stepTimesMs(ranks.map(({ spansWithSum }) => spansWithSum)));
  }
  const sequential = await run("./sequential-rank.ts", 1);
  compareLosses("the sequential step", lossesOf(sequential), lossesOf(pipeline));
  add("sequential", stepTimesMs(spansOf(sequential)));
  add("products", stepTimesMs(spansOf(await run("./products-rank.ts", numRanks))));
}

/** The losses by micro-batch; those that enter at the first rank leave at the last. */
function lossesOf(ranks: readonly RankMeasurement[]): number[] {
  return [...ranks].reverse().flatMap(({ losses }) => losses);
}

function compareLosses(what: string, theirs: readonly number[], ours: readonly number[]): void {
  const differ = ours.findIndex((loss, i) => !(Math.abs(loss - theirs[i]!) < LOSS_TOLERANCE));
  if (differ < 0 && theirs.length === ours.length) return;
  throw new Error(
    `dualpipe: ${what} computed a different model: from micro-batch ${differ} on its losses differ ` +
      `(${theirs[differ]} instead of ${ours[differ]}; ${theirs.length} losses instead of ${ours.length})`,
  );
}

function summarize(samples: readonly number[]): StepTime {
  const sorted = samples.toSorted((a, b) => a - b);
  return {
    medianMs: sorted[Math.floor(sorted.length / 2)]!,
    minMs: sorted[0]!,
    maxMs: sorted.at(-1)!,
    numSteps: sorted.length,
  };
}

/** Formats a configuration, such as `(64, 16, 1, 1, 20), P=2`. */
export function describe(configuration: Configuration): string {
  const { hidden, sequence, microBatchSize, numBlocks, numMicroBatches, numRanks } = configuration;
  return `(${[hidden, sequence, microBatchSize, numBlocks, numMicroBatches].join(", ")}), P=${numRanks}`;
}
