import { crossEntropy } from "../../src/autograd/operators/loss.ts";
import { Pipeline } from "../../src/engine/pipeline.ts";
import { stagesOfRank } from "../../src/engine/pipeline-options.ts";
import type { StageModule } from "../../src/engine/stage/stage.ts";
import type { RankContext } from "../../src/launch/rank-context.ts";
import { parseProgramCsv } from "../../src/schedule/index.ts";
import { partOf } from "./batch-part.ts";
import { smallGpt, tokenBatch } from "./gpt-model.ts";
import { reportStep, type StepReport } from "./step-report.ts";

export interface GptCase {
  readonly schedule: string;
  /** A program to run in place of the schedule's own. */
  readonly csv?: string;
  readonly numStages: number;
  readonly tieEmbeddings: boolean;
  readonly numMicroBatches: number;
  readonly numLayers?: number;
}

export interface GptReport extends StepReport {
  /** Micro-batches whose losses are here. */
  readonly leaving: readonly number[];
}

/** Trains a small GPT for one step under each schedule. */
export default function runCases({
  rank,
  numRanks,
  runtime,
  processGroup,
  data,
}: RankContext<readonly GptCase[]>): GptReport[] {
  return data.map(({ schedule: name, csv, numStages, tieEmbeddings, numMicroBatches, numLayers }) => {
    const schedule = csv === undefined ? name : parseProgramCsv(csv, name);
    const indices = stagesOfRank(schedule, numRanks, rank);
    const built = smallGpt(runtime, tieEmbeddings, numStages, indices, numLayers);
    const modules = new Map<number, StageModule>(indices.map((stage, i) => [stage, built[i]!]));
    const pipe = new Pipeline({ schedule, modules, processGroup });
    return runtime.scope(() => {
      const batch = tokenBatch(runtime, numMicroBatches);
      const { inputs, labels, leaving } = partOf(batch, pipe, numMicroBatches);
      const result = pipe.step(inputs, { numChunks: numMicroBatches, criterion: crossEntropy, labels });
      return { leaving, ...reportStep(result, modules) };
    });
  });
}
