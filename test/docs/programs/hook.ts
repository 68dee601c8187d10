import {
  DualPipe,
  Linear,
  Module,
  mseLoss,
  type OverlapBackward,
  type OverlapForward,
  type OverlapResult,
  type RankContext,
  type Runtime,
  type Suspendable,
  type Tensor,
  withSeed,
} from "dualpipe";

class Block extends Module {
  static numPairs = 0;
  readonly linear: Linear;

  constructor(runtime: Runtime) {
    super(runtime);
    this.linear = new Linear(runtime, 8, 8);
  }

  forward(x: Tensor): Tensor {
    return this.linear.call(x);
  }

  /** I of one micro-batch, the forward of the other, then W of the first. */
  static *overlappedForwardBackward(
    { module, inputs, criterion, labels }: OverlapForward,
    backward: OverlapBackward,
  ): Suspendable<OverlapResult> {
    Block.numPairs++;
    yield* backward.backwardInputs();
    const outputs = (module as Block).call(...(inputs as [Tensor]));
    yield* backward.backwardWeights();
    if (criterion === undefined) return { outputs };
    return { outputs, loss: criterion(...([outputs, ...labels] as never[])) };
  }
}

export default function rankProgram({ rank, runtime, processGroup }: RankContext) {
  const stages = [rank, 1 - rank].map((index) => withSeed(runtime, index, () => new Block(runtime)));
  const pipe = new DualPipe([stages[0]!, stages[1]!], { processGroup });
  return runtime.scope(() => {
    const batch = withSeed(runtime, 2 + rank, () => runtime.randn([8, 8]));
    const { loss } = pipe.step(batch, { numChunks: 8, criterion: mseLoss, labels: [batch] });
    return { losses: loss!.toArray(), numPairs: Block.numPairs };
  });
}
