/** One shape of model and step. Values are float32. */
export interface Configuration {
  readonly hidden: number;
  readonly sequence: number;
  readonly microBatchSize: number;
  /** MLP blocks of a stage: Linear(h, 4h), GELU, Linear(4h, h), without biases. */
  readonly numBlocks: number;
  readonly numMicroBatches: number;
  readonly numRanks: number;
}

/** The steps of one round: some only warm up, the others are measured. */
export interface StepCounts {
  /** Steps of the smallest shapes that programs in JavaScript run first: V8 compiles what runs often. */
  readonly numRehearsalSteps: number;
  readonly numWarmUpSteps: number;
  readonly numSteps: number;
}

/** The input of every measured program. */
export interface Workload {
  readonly configuration: Configuration;
  readonly counts: StepCounts;
}

const SHAPES: readonly (Omit<Configuration, "numRanks"> & Omit<StepCounts, "numRehearsalSteps">)[] = [
  {
    hidden: 64,
    sequence: 16,
    microBatchSize: 1,
    numBlocks: 1,
    numMicroBatches: 20,
    numWarmUpSteps: 50,
    numSteps: 100,
  },
  {
    hidden: 256,
    sequence: 64,
    microBatchSize: 2,
    numBlocks: 1,
    numMicroBatches: 20,
    numWarmUpSteps: 4,
    numSteps: 16,
  },
  {
    hidden: 512,
    sequence: 128,
    microBatchSize: 2,
    numBlocks: 2,
    numMicroBatches: 20,
    numWarmUpSteps: 1,
    numSteps: 4,
  },
];

const NUM_REHEARSAL_STEPS = 400;

/** The workloads of a full run, or only the smallest one with a few steps. */
export function workloads(isQuick: boolean): Workload[] {
  const all = SHAPES.flatMap(({ numWarmUpSteps, numSteps, ...shape }) =>
    [2, 4].map((numRanks) => ({
      configuration: { ...shape, numRanks },
      counts: { numRehearsalSteps: NUM_REHEARSAL_STEPS, numWarmUpSteps, numSteps },
    })),
  );
  if (!isQuick) return all;
  return [{ ...all[0]!, counts: { numRehearsalSteps: 1, numWarmUpSteps: 1, numSteps: 3 } }];
}

/** The shape [batch, sequence, hidden] of all micro-batches that enter at one end. */
export function shapeOfHalf(configuration: Configuration): number[] {
  const { numMicroBatches, microBatchSize, sequence, hidden } = configuration;
  return [(numMicroBatches / 2) * microBatchSize, sequence, hidden];
}

/** Runs a program on the smallest shapes of the same schedule, then on the workload's own. */
export function rehearseAndRun<T>(
  { configuration, counts }: Workload,
  program: (workload: Workload) => T,
): T {
  program({
    configuration: { ...configuration, hidden: 8, sequence: 2, microBatchSize: 1 },
    counts: { ...counts, numWarmUpSteps: counts.numRehearsalSteps, numSteps: 1 },
  });
  return program({ configuration, counts });
}
