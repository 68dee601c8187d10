import {
  AdamW,
  add,
  GELU,
  LayerNorm,
  Linear,
  Module,
  mean,
  mseLoss,
  mul,
  noGrad,
  Pipeline,
  type RankContext,
  type Runtime,
  stagesOfRank,
  type Tensor,
  withSeed,
} from "dualpipe";

/** A stage of a residual MLP: [B, 32] to [B, 32]. */
class Residual extends Module {
  readonly norm: LayerNorm;
  readonly up: Linear;
  readonly down: Linear;
  readonly gelu: GELU;

  constructor(runtime: Runtime) {
    super(runtime);
    this.norm = new LayerNorm(runtime, 32);
    this.up = new Linear(runtime, 32, 128);
    this.gelu = new GELU(runtime);
    this.down = new Linear(runtime, 128, 32);
  }

  forward(x: Tensor): Tensor {
    return add(x, this.down.call(this.gelu.call(this.up.call(this.norm.call(x)))));
  }
}

const numChunks = 8;

export default function rankProgram(context: RankContext<{ schedule: string }>): number | null {
  const { rank, numRanks, runtime, processGroup, data } = context;
  const modules = new Map(
    stagesOfRank(data.schedule, numRanks, rank).map((stage) => [
      stage,
      withSeed(runtime, stage, () => new Residual(runtime)),
    ]),
  );
  const pipe = new Pipeline({ schedule: data.schedule, modules, processGroup });
  const named = [...modules].flatMap(([stage, module]) =>
    module.namedParameters().map(([name, parameter]) => [`${stage}.${name}`, parameter] as const),
  );
  const optimizer = new AdamW(named, { learningRate: 1e-3 });

  const run = (step: number) => {
    const x = withSeed(runtime, step, () => runtime.randn([numChunks * 4, 32]));
    // The schedule decides which rows enter at this rank, and which leave here and need their labels.
    const { inputs, labels } = pipe.partOf({ inputs: x, labels: [mul(x, x)] }, numChunks);
    const { loss } = pipe.step(inputs, { numChunks, criterion: mseLoss, labels });
    return loss === null ? null : mean(loss).item();
  };

  for (let step = 1; step <= 50; step++) {
    runtime.scope(() => {
      run(step);
      optimizer.step();
      optimizer.zeroGrad();
    });
  }
  // The loss of a batch that was not trained on; null at ranks where none leaves.
  return runtime.scope(() => noGrad(runtime, () => run(0)));
}
