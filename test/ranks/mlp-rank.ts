import { noGrad } from "../../src/autograd/grad-mode.ts";
import { mseLoss } from "../../src/autograd/operators/loss.ts";
import { DualPipe, DualPipeV } from "../../src/engine/dualpipe.ts";
import type { StageModule } from "../../src/engine/stage/stage.ts";
import type { RankContext } from "../../src/launch/rank-context.ts";
import { partOf } from "./batch-part.ts";
import { type MlpSizes, mlpStage, wholeBatch } from "./mlp-model.ts";
import { reportStep, type StepReport } from "./step-report.ts";

export interface MlpCase {
  readonly schedule: "dualpipe" | "dualpipev";
  readonly sizes: MlpSizes;
  /** `evaluate` has a criterion, `predict` has none; both run under noGrad. */
  readonly mode: "train" | "evaluate" | "predict";
  readonly returnOutputs: boolean;
  /** Steps without zeroing the gradients. */
  readonly numSteps: number;
}

/** Runs each case on a pipeline of its own, and reports the last step of it. */
export default function runCases({
  rank,
  numRanks,
  runtime,
  processGroup,
  data,
}: RankContext<readonly MlpCase[]>): StepReport[] {
  return data.map(({ schedule, sizes, mode, returnOutputs, numSteps }) => {
    const isV = schedule === "dualpipev";
    const numStages = isV ? 2 * numRanks : numRanks;
    const modules = new Map<number, StageModule>();
    for (const stage of [rank, numStages - 1 - rank]) modules.set(stage, mlpStage(runtime, sizes, stage));
    const both = [...modules.values()] as [StageModule, StageModule];
    const pipe = isV ? new DualPipeV(both, { processGroup }) : new DualPipe(both, { processGroup });
    const { numMicroBatches } = sizes;
    return runtime.scope(() => {
      const batch = wholeBatch(runtime, sizes);
      const { leaving } = pipe.endsOf(numMicroBatches);
      const step = () => {
        const { inputs, labels } = partOf(batch, pipe, numMicroBatches);
        return pipe.step(inputs, {
          numChunks: numMicroBatches,
          // The ranks in between need neither.
          ...(mode !== "predict" && leaving.length > 0 && { criterion: mseLoss, labels }),
          returnOutputs,
        });
      };
      const run = () => (mode === "train" ? step() : noGrad(runtime, step));
      for (let i = 1; i < numSteps; i++) run();
      return reportStep(run(), modules, { numLeaving: leaving.length });
    });
  });
}
