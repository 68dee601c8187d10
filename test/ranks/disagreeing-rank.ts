// Two ranks that do not take the same steps, or not in the same way, in one scenario after another.
import { noGrad } from "../../src/autograd/grad-mode.ts";
import { mseLoss } from "../../src/autograd/operators/loss.ts";
import { Pipeline } from "../../src/engine/pipeline.ts";
import { stagesOfRank } from "../../src/engine/pipeline-options.ts";
import type { RankContext } from "../../src/launch/rank-context.ts";
import { Linear } from "../../src/nn/layers/linear.ts";
import { allGatherNumbers } from "../../src/transport/collectives.ts";

interface Part {
  readonly schedule: string;
  /** The modes and numbers of micro-batches of the steps; "share" is `shareUpdates`. */
  readonly steps: readonly (readonly ["train" | "validate" | "share", number])[];
  readonly shardUpdates?: boolean;
}

/** The part of each rank. */
export type Scenario = readonly [Part, Part];

export interface Outcome {
  readonly code: string | undefined;
  readonly message: string;
  readonly ms: number;
}

export default function run(context: RankContext<readonly Scenario[]>): Outcome[] {
  const { rank, processGroup, data } = context;
  return data.map((scenario) => {
    allGatherNumbers(processGroup, []);
    const startMs = performance.now();
    const outcome = { code: undefined, message: "no error" };
    try {
      play(context, scenario[rank]!);
    } catch (error) {
      Object.assign(outcome, { code: (error as { code: string }).code, message: (error as Error).message });
    }
    return { ...outcome, ms: performance.now() - startMs };
  });
}

function play(
  { runtime, rank, processGroup }: RankContext<unknown>,
  { schedule, steps, shardUpdates = false }: Part,
): void {
  const choice = schedule === "interleaved" ? { stagesPerRank: 2 } : {};
  const stages = stagesOfRank(schedule, 2, rank, choice.stagesPerRank);
  const modules = new Map(stages.map((stage) => [stage, new Linear(runtime, 4, 4)]));
  try {
    const pipe = new Pipeline({ schedule, ...choice, modules, processGroup, shardUpdates });
    for (const [mode, numChunks] of steps)
      runtime.scope(() => {
        const x = runtime.ones([8, 4]);
        const step = () => void pipe.step(x, { numChunks, criterion: mseLoss, labels: [x] });
        if (mode === "share") pipe.shareUpdates();
        else if (mode === "train") step();
        else noGrad(runtime, step);
      });
  } finally {
    for (const module of modules.values()) module.dispose();
  }
}
