// DualPipe called directly: two stages, held by both of two ranks, learn to square numbers. Run it with `npx tsx`.
import { isMainThread } from "node:worker_threads";
import {
  AdamW,
  DualPipe,
  GELU,
  Linear,
  mean,
  mseLoss,
  mul,
  type RankContext,
  runRanks,
  Sequential,
  withSeed,
} from "dualpipe";

export default function rankProgram({ rank, numRanks, runtime, processGroup, report }: RankContext): void {
  const layers = (index: number) =>
    index === 0
      ? [new Linear(runtime, 1, 64), new GELU(runtime)]
      : [new Linear(runtime, 64, 64), new GELU(runtime), new Linear(runtime, 64, 1)];
  const stage = (index: number) => withSeed(runtime, index, () => new Sequential(runtime, ...layers(index)));
  const stages = [stage(rank), stage(numRanks - 1 - rank)] as const;
  const pipe = new DualPipe(stages, { processGroup });
  const named = stages.flatMap((each, i) =>
    each.namedParameters().map(([name, p]) => [`${i}.${name}`, p] as const),
  );
  const optimizer = new AdamW(named, { learningRate: 3e-3 });

  for (let step = 1; step <= 200; step++) {
    runtime.scope(() => {
      const x = withSeed(runtime, 1000 + step, () => runtime.randn([128, 1]));
      // Half of the batch enters at each rank, and its losses come out at the other.
      const { inputs, labels } = pipe.partOf({ inputs: x, labels: [mul(x, x)] }, 8);
      const { loss } = pipe.step(inputs, { numChunks: 8, criterion: mseLoss, labels });
      optimizer.step();
      optimizer.zeroGrad();
      if (loss && step % 50 === 0) report(`step ${step}: loss ${mean(loss).item().toFixed(4)}`);
    });
  }
}

if (isMainThread) {
  const onReport = (rank: number, line: unknown) => console.log(`rank ${rank}, ${line}`);
  await runRanks(new URL(import.meta.url), { numRanks: 2, onReport });
}
