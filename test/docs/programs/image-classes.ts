import {
  AdamW,
  crossEntropy,
  DataLoader,
  Flatten,
  imageFolder,
  Linear,
  Module,
  mean,
  noGrad,
  Pipeline,
  type RankContext,
  ReLU,
  type Runtime,
  stagesOfRank,
  type Tensor,
  withSeed,
} from "dualpipe";

/** The first of two stages: images [B, 1, 8, 8] to [B, 32]. */
class Pixels extends Module {
  readonly flatten: Flatten;
  readonly linear: Linear;
  readonly relu: ReLU;

  constructor(runtime: Runtime) {
    super(runtime);
    this.flatten = new Flatten(runtime);
    this.linear = new Linear(runtime, 64, 32);
    this.relu = new ReLU(runtime);
  }

  forward(images: Tensor): Tensor {
    return this.relu.call(this.linear.call(this.flatten.call(images)));
  }
}

const numChunks = 4;

export default function rankProgram(
  context: RankContext<{ folder: string; schedule: string }>,
): number | null {
  const { rank, numRanks, runtime, processGroup, data } = context;
  const set = imageFolder(data.folder, { channels: 1 });
  const makeStage = (stage: number) =>
    stage === 0 ? new Pixels(runtime) : new Linear(runtime, 32, set.classes.length);
  const modules = new Map(
    stagesOfRank(data.schedule, numRanks, rank).map((stage) => [
      stage,
      withSeed(runtime, stage, () => makeStage(stage)),
    ]),
  );
  const pipe = new Pipeline({ schedule: data.schedule, modules, processGroup });
  const named = [...modules].flatMap(([stage, module]) =>
    module.namedParameters().map(([name, parameter]) => [`${stage}.${name}`, parameter] as const),
  );
  const optimizer = new AdamW(named, { learningRate: 3e-3 });

  using loader = new DataLoader(runtime, set, {
    batchSize: 16,
    inputs: ["image"],
    labels: ["label"],
    shuffle: true,
    seed: 1,
    dropLast: true,
    prefetch: 2,
    rowsOf: (numRows) => pipe.rowsOf(numRows, numChunks),
  });
  for (let epoch = 0; epoch < 15; epoch++)
    for (const { inputs, labels } of loader.epoch(epoch))
      runtime.scope(() => {
        pipe.step(inputs, { numChunks, criterion: crossEntropy, labels });
        optimizer.step();
        optimizer.zeroGrad();
      });

  // The mean loss of one more epoch, without training; null at ranks where none leaves.
  const losses: number[] = [];
  for (const { inputs, labels } of loader.epoch(15))
    runtime.scope(() => {
      const { loss } = noGrad(runtime, () =>
        pipe.step(inputs, { numChunks, criterion: crossEntropy, labels }),
      );
      if (loss !== null) losses.push(mean(loss).item());
    });
  return losses.length === 0 ? null : losses.reduce((a, b) => a + b) / losses.length;
}
