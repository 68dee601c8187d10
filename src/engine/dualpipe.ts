import { Pipeline } from "./pipeline.ts";
import type { PipelineOptions } from "./pipeline-options.ts";
import { ReplicaPlacement } from "./replica-placement.ts";
import type { StageModule } from "./stage/stage.ts";

export type DualPipeOptions = Pick<
  PipelineOptions,
  | "processGroup"
  | "batchDim"
  | "numReplicas"
  | "shardUpdates"
  | "rankMapping"
  | "useGraphs"
  | "recorder"
  | "observer"
>;

/**
 * DualPipe, the bidirectional pipeline of the DeepSeek-V3 report (section 3.2.1), on one of an even number of ranks.
 * Half of the micro-batches enter at rank 0 and leave at the last rank, the other half the other way; a loss, and its
 * labels, are therefore at the end opposite to its inputs.
 *
 * @example
 * const pipe = new DualPipe([stageOf(rank), stageOf(numRanks - 1 - rank)], { processGroup });
 * const { loss } = pipe.step(inputs, { numChunks: 20, criterion: mseLoss, labels: [targets] });
 */
export class DualPipe extends Pipeline {
  /** @param modules The modules of the stages `rank` and `numRanks - 1 - rank`. */
  constructor(modules: readonly [StageModule, StageModule], options: DualPipeOptions) {
    super({ ...options, schedule: "dualpipe", modules: bothEnds(modules, options, 1) });
  }
}

/**
 * DualPipeV: DualPipe cut in half, with stages `rank` and `2 x numRanks - 1 - rank` on each rank, so that nothing is
 * held twice; all micro-batches enter and leave at rank 0. (Sea AI Lab's cut-in-half; in the reference,
 * `dualpipev.py`.)
 */
export class DualPipeV extends Pipeline {
  /** @param modules The modules of the stages `rank` and `2 x numRanks - 1 - rank`. */
  constructor(modules: readonly [StageModule, StageModule], options: DualPipeOptions) {
    super({ ...options, schedule: "dualpipev", modules: bothEnds(modules, options, 2) });
  }
}

/** The modules by stage: the first is for stage `rank`, the second for the stage as far from the other end. */
function bothEnds(
  [first, second]: readonly [StageModule, StageModule],
  { processGroup, rankMapping, numReplicas }: DualPipeOptions,
  stagesPerRank: number,
): Map<number, StageModule> {
  const { pipelineRank, numRanks } = new ReplicaPlacement(processGroup, numReplicas, rankMapping);
  return new Map([
    [pipelineRank, first],
    [stagesPerRank * numRanks - 1 - pipelineRank, second],
  ]);
}
