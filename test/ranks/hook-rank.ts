import { mseLoss } from "../../src/autograd/operators/loss.ts";
import { Pipeline } from "../../src/engine/pipeline.ts";
import { stagesOfRank } from "../../src/engine/pipeline-options.ts";
import type { StageModule } from "../../src/engine/stage/stage.ts";
import type { RankContext } from "../../src/launch/rank-context.ts";
import { partOf } from "./batch-part.ts";
import { HookedStage, SuspendedHookStage } from "./hooked-model.ts";
import { type MlpSizes, MlpStage, stageSeed, wholeBatch } from "./mlp-model.ts";
import { reportStep, type StepReport } from "./step-report.ts";

export interface HookCase {
  readonly schedule: string;
  readonly sizes: MlpSizes;
  /** The class of the two modules of a rank. */
  readonly hook: "none" | "plain" | "suspended" | "plain and none" | "plain and suspended";
}

export interface HookReport extends StepReport {
  readonly numPairs: number;
}

const classes = { none: MlpStage, plain: HookedStage, suspended: SuspendedHookStage };

export default function runCases({
  rank,
  numRanks,
  runtime,
  processGroup,
  data,
}: RankContext<readonly HookCase[]>): HookReport[] {
  return data.map(({ schedule, sizes, hook }) => {
    const [first, second = first] = hook.split(" and ") as (keyof typeof classes)[];
    const built = stagesOfRank(schedule, numRanks, rank).map((stage, i) => {
      const StageClass = classes[i === 0 ? first! : second!];
      return [stage, new StageClass(runtime, sizes.hidden, sizes.dtype, stageSeed(stage))] as const;
    });
    const modules = new Map<number, StageModule>(built);
    const pipe = new Pipeline({ schedule, modules, processGroup });
    return runtime.scope(() => {
      const { numMicroBatches } = sizes;
      const { inputs, labels } = partOf(wholeBatch(runtime, sizes), pipe, numMicroBatches);
      const result = pipe.step(inputs, { numChunks: numMicroBatches, criterion: mseLoss, labels });
      const numPairs = built.reduce(
        (sum, [, module]) => sum + ("numPairs" in module ? Number(module.numPairs) : 0),
        0,
      );
      return { numPairs, ...reportStep(result, modules) };
    });
  });
}
