// One step of each of many programs, compared with the sequential model.
import { mseLoss } from "../../src/autograd/operators/loss.ts";
import { Pipeline } from "../../src/engine/pipeline.ts";
import type { RankContext } from "../../src/launch/rank-context.ts";
import { parseProgramCsv, stagesOf } from "../../src/schedule/index.ts";
import type { Runtime } from "../../src/tensor/runtime.ts";
import { type MlpSizes, mlpStage, wholeBatch } from "./mlp-model.ts";
import { runSequentially } from "./sequential.ts";

export interface MutantReport {
  /** Whether the loss of each of this rank's micro-batches has the sequential model's bits. */
  readonly losses: readonly boolean[];
  /** The largest difference of a gradient's element, in units of the largest element. */
  readonly gradientDifference: number;
}

export default function run({
  processGroup,
  runtime,
  data: texts,
}: RankContext<readonly string[]>): MutantReport[] {
  return texts.map((text) => runtime.scope(() => stepOf(text)));

  function stepOf(text: string): MutantReport {
    const schedule = parseProgramCsv(text);
    const { numMicroBatches, numStages, placement } = schedule;
    const sizes: MlpSizes = { hidden: 4, sequence: 2, microBatchSize: 1, numMicroBatches, dtype: "float64" };
    const { inputs, targets } = wholeBatch(runtime, sizes);
    const sequential = stagesFor(
      runtime,
      sizes,
      Array.from({ length: numStages }, (_, stage) => stage),
    );
    const batch = { inputs: [inputs], labels: [targets], numMicroBatches };
    const expected = runSequentially([...sequential.values()], batch, mseLoss);

    const modules = stagesFor(runtime, sizes, stagesOf(placement, processGroup.rank));
    const pipe = new Pipeline({ processGroup, schedule, modules });
    const part = pipe.partOf({ inputs, labels: [targets] }, numMicroBatches);
    const { loss } = pipe.step(part.inputs, {
      numChunks: numMicroBatches,
      criterion: mseLoss,
      labels: part.labels,
    });
    const losses = loss?.toArray() ?? [];
    const { leaving } = pipe.endsOf(numMicroBatches);
    const differences = [...modules].flatMap(([stage, module]) => {
      const wanted = sequential.get(stage)!.parameters();
      return module
        .parameters()
        .map((parameter, i) => differenceOf(parameter.grad!.toArray(), wanted[i]!.grad!.toArray()));
    });
    return {
      losses: leaving.map((microBatch, i) => losses[i] === expected.losses[microBatch]),
      gradientDifference: Math.max(...differences),
    };
  }
}

function stagesFor(runtime: Runtime, sizes: MlpSizes, stages: readonly number[]) {
  return new Map(stages.map((stage) => [stage, mlpStage(runtime, sizes, stage)]));
}

function differenceOf(values: readonly number[], wanted: readonly number[]): number {
  const largest = Math.max(...wanted.map(Math.abs));
  return Math.max(...values.map((value, i) => Math.abs(value - wanted[i]!))) / largest;
}
