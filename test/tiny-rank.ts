import { DualPipe, Linear, mseLoss, type RankContext, SGD, withSeed } from "dualpipe";

/** Two stages, held by both of two ranks, learn to copy numbers. Returns the mean loss of each step. */
export default function rankProgram(context: RankContext<{ numSteps: number }>): number[] {
  const { rank, numRanks, runtime, processGroup, data } = context;
  const stage = (index: number) => withSeed(runtime, index, () => new Linear(runtime, 4, 4));
  const stages = [stage(rank), stage(numRanks - 1 - rank)] as const;
  const pipe = new DualPipe(stages, { processGroup });
  const parameters = stages.flatMap((module, i) =>
    module.namedParameters().map(([name, parameter]) => [`${i}.${name}`, parameter] as const),
  );
  const optimizer = new SGD(parameters, { learningRate: 0.1 });

  return Array.from({ length: data.numSteps }, () =>
    runtime.scope(() => {
      // Half of the batch enters at each rank, and its losses leave at the other.
      const inputs = withSeed(runtime, rank, () => runtime.randn([8, 4]));
      const labels = withSeed(runtime, 1 - rank, () => runtime.randn([8, 4]));
      const { loss } = pipe.step(inputs, { numChunks: 4, criterion: mseLoss, labels: [labels] });
      optimizer.step();
      optimizer.zeroGrad();
      return loss!.toArray().reduce((a, b) => a + b) / 2;
    }),
  );
}
