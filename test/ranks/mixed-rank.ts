import { DualPipe, DualPipeV } from "../../src/engine/dualpipe.ts";
import type { StageModule } from "../../src/engine/stage/stage.ts";
import type { RankContext } from "../../src/launch/rank-context.ts";
import { mixedBatch, mixedStages, noLabels, severalLabels } from "./mixed-model.ts";
import { reportStep, type StepReport } from "./step-report.ts";

export interface MixedCase {
  readonly name: string;
  readonly schedule: "dualpipe" | "dualpipev";
  /** The ranks of each pipeline; one of all ranks when left out. */
  readonly groups?: readonly (readonly number[])[];
  readonly rankMapping?: readonly number[];
  readonly batchDim: 0 | 1;
  /** Rows of the batch that enters in each direction. */
  readonly batchSizes: readonly number[];
  readonly numMicroBatches: number;
  readonly labels: "several" | "none";
}

export interface MixedReport extends StepReport {
  /** The rank's pipeline, as an index into `groups`. */
  readonly pipeline: number;
  readonly pipelineRank: number;
}

/** The seed of what enters a pipeline in a direction. */
export const batchSeed = (pipeline: number, direction: number): number => 10 * pipeline + direction;

export default function runCases({
  rank,
  runtime,
  processGroup,
  data,
}: RankContext<readonly MixedCase[]>): MixedReport[] {
  return data.map((mixedCase) => {
    const { schedule, groups, rankMapping, batchDim, batchSizes, numMicroBatches, labels } = mixedCase;
    const pipeline = groups?.findIndex((members) => members.includes(rank)) ?? 0;
    const group = groups ? processGroup.subgroup(groups[pipeline]!) : processGroup;
    const pipelineRank = rankMapping?.[group.rank] ?? group.rank;
    const numStages = schedule === "dualpipev" ? 2 * group.size : group.size;
    const indices = [pipelineRank, numStages - 1 - pipelineRank] as const;
    const [first, second] = mixedStages(runtime, pipeline, indices);
    const both: [StageModule, StageModule] = [first!, second!];
    const options = { processGroup: group, batchDim, ...(rankMapping && { rankMapping }) };
    const pipe = schedule === "dualpipev" ? new DualPipeV(both, options) : new DualPipe(both, options);
    return runtime.scope(() => {
      const batches = batchSizes.map((batchSize, direction) =>
        mixedBatch(runtime, batchSeed(pipeline, direction), { batchSize, batchDim, numStages }),
      );
      const { entering, leaving } = pipe.endsOf(numMicroBatches);
      const directionOf = (microBatches: readonly number[]): number =>
        microBatches[0] === 0 ? 0 : batchSizes.length - 1;
      const result = pipe.step(entering.length > 0 ? batches[directionOf(entering)]!.inputs : null, {
        numChunks: numMicroBatches,
        criterion: labels === "none" ? noLabels : severalLabels,
        labels: labels === "none" || leaving.length === 0 ? [] : batches[directionOf(leaving)]!.labels,
        returnOutputs: true,
      });
      const modules = new Map(indices.map((stage, i) => [stage, both[i]!]));
      return {
        pipeline,
        pipelineRank,
        ...reportStep(result, modules, { numLeaving: leaving.length, batchDim }),
      };
    });
  });
}
