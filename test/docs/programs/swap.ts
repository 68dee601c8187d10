import {
  DualPipe,
  Linear,
  Module,
  mean,
  mul,
  type ProcessGroup,
  type RankContext,
  type Runtime,
  record,
  type Suspendable,
  type Tensor,
  withSeed,
} from "dualpipe";

type Kind = "activations" | "gradients";

/** Exchanges a tensor with the other of two ranks; the engine can compute something else in the meantime. */
function* trade(x: Tensor, group: ProcessGroup, kind: Kind): Suspendable<Tensor> {
  const peer = 1 - group.rank;
  group.send(peer, kind, [x]);
  const receipt = group.receive(peer, kind);
  yield receipt;
  return receipt.take()[0]!;
}

/** `trade` with a gradient, which takes the opposite way. */
function* swap(x: Tensor, group: ProcessGroup): Suspendable<Tensor> {
  const y = yield* trade(x, group, "activations");
  record("swap", [x], [y], [], function* (node) {
    return [yield* trade(node.gradient, group, "gradients")];
  });
  return y;
}

class SwapStage extends Module {
  readonly #replicas: ProcessGroup | undefined;
  readonly linear: Linear;

  constructor(runtime: Runtime, replicas: ProcessGroup | undefined) {
    super(runtime);
    this.#replicas = replicas;
    this.linear = new Linear(runtime, 8, 8);
  }

  override *forward(x: Tensor): Suspendable<Tensor> {
    const y = this.linear.call(x);
    return this.#replicas === undefined ? y : yield* swap(y, this.#replicas);
  }
}

/** Ranks 0 and 1 are one pipeline, 2 and 3 another; the two stages 0 swap their outputs in the second step. */
export default function rankProgram({ rank, runtime, processGroup }: RankContext) {
  const replica = rank >> 1;
  const pipeline = processGroup.subgroup([2 * replica, 2 * replica + 1]);
  const replicas = processGroup.subgroup([pipeline.rank, pipeline.rank + 2]);
  const step = (swaps: boolean) => {
    const stageAt = (index: number) =>
      withSeed(runtime, index, () => new SwapStage(runtime, swaps && index === 0 ? replicas : undefined));
    const stages = [stageAt(pipeline.rank), stageAt(1 - pipeline.rank)] as const;
    const pipe = new DualPipe(stages, { processGroup: pipeline });
    return runtime.scope(() => {
      const inputs = withSeed(runtime, rank, () => runtime.randn([8, 8]));
      const criterion = (y: Tensor) => mean(mul(y, y));
      const { loss } = pipe.step(inputs, { numChunks: 8, criterion, labels: [] });
      const gradients = stages.map(({ linear }) => linear.weight.grad!.toArray());
      return { losses: loss!.toArray(), gradients };
    });
  };
  return { apart: step(false), swapped: step(true) };
}
