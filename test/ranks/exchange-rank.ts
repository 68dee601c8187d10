import { mseLoss } from "../../src/autograd/operators/loss.ts";
import { DualPipe } from "../../src/engine/dualpipe.ts";
import type { StageModule } from "../../src/engine/stage/stage.ts";
import type { RankContext } from "../../src/launch/rank-context.ts";
import { operator } from "../../src/tensor/native-operator.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { ExchangeStage, exchangeBatch } from "./exchange-model.ts";
import { reportStep, type StepReport } from "./step-report.ts";

const NARROW = operator("aten::narrow");

export interface ExchangeReport extends StepReport {
  /** What the rank's stages sent and received, in order. */
  readonly log: readonly string[];
}

/** Two pipelines of two ranks, whose stages exchange activations and gradients with each other. */
export default function run({
  rank,
  runtime,
  processGroup,
  data: numMicroBatches,
}: RankContext<number>): ExchangeReport {
  const pipeline = Math.floor(rank / 2);
  const group = processGroup.subgroup([2 * pipeline, 2 * pipeline + 1]);
  const log: string[] = [];
  const twin = processGroup.subgroup([group.rank, 2 + group.rank]);
  const stages = [group.rank, 1 - group.rank].map((stage) => new ExchangeStage(twin, pipeline, stage, log));
  const [first, second] = stages;
  const pipe = new DualPipe([first!, second!], { processGroup: group });
  return runtime.scope(() => {
    const { inputs, targets } = exchangeBatch(runtime, pipeline, numMicroBatches);
    const half = (tensor: Tensor, direction: number): Tensor =>
      runtime.call(NARROW, tensor, 0, (direction * numMicroBatches) / 2, numMicroBatches / 2);
    const result = pipe.step(half(inputs, group.rank), {
      numChunks: numMicroBatches,
      criterion: mseLoss,
      labels: [half(targets, 1 - group.rank)],
    });
    const modules = new Map<number, StageModule>([
      [group.rank, first!],
      [1 - group.rank, second!],
    ]);
    return { log, ...reportStep(result, modules) };
  });
}
