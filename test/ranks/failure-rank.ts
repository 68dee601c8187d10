import { mseLoss } from "../../src/autograd/operators/loss.ts";
import { DualPipe } from "../../src/engine/dualpipe.ts";
import type { RankContext } from "../../src/launch/rank-context.ts";
import { allGatherNumbers } from "../../src/transport/collectives.ts";
import { partOf } from "./batch-part.ts";
import { stageSeed, wholeBatch } from "./mlp-model.ts";
import { atCall, type Mood, MoodyStage, thrower, withTrap } from "./moody-model.ts";
import { reportStep, type StepReport } from "./step-report.ts";

export const failureSizes = {
  hidden: 8,
  sequence: 2,
  microBatchSize: 1,
  numMicroBatches: 10,
  dtype: "float32",
} as const;

const moods = {
  throw: thrower("boom"),
  trap: withTrap,
  widen: (y) => y.runtime.ones([...y.shape.slice(0, -1), 9]),
  exit: () => process.exit(7),
} satisfies Record<string, Mood>;

/** What goes wrong on one rank. */
export interface Failure {
  readonly rank: number;
  /** The call of its first module in which it fails; or what its step lacks. */
  readonly atCall: number | "no criterion" | "no inputs" | "no labels";
  readonly mood?: keyof typeof moods;
}

export interface FailureData {
  readonly failures: readonly Failure[];
  /** Whether the ranks catch their errors and go on; otherwise they stop at the first one, or step for ever. */
  readonly goOn: boolean;
  /** The number of replicas, each of which gets the whole batch; 1 by default. */
  readonly numReplicas?: number;
}

export interface FailureReport {
  /** By failure. */
  readonly errors: readonly { readonly code: string; readonly message: string }[];
  /** By failure: tensors and bytes that it left, and a step after it. */
  readonly numTensorsLeft: readonly number[];
  readonly numBytesLeft: readonly number[];
  readonly steps: readonly StepReport[];
}

export default function run(context: RankContext<FailureData>): FailureReport {
  const { rank, numRanks, runtime, processGroup, data, report } = context;
  const { numReplicas = 1 } = data;
  const ranksPerReplica = numRanks / numReplicas;
  const pipelineRank = rank % ranksPerReplica;
  const stages = [pipelineRank, ranksPerReplica - 1 - pipelineRank] as const;
  const { hidden, dtype, numMicroBatches } = failureSizes;
  const [first, second] = stages.map((stage) => new MoodyStage(runtime, hidden, dtype, stageSeed(stage)));
  const modules = new Map(stages.map((stage, i) => [stage, i === 0 ? first! : second!]));
  // A group of its own: a rank that fails at once must not end what the others still do outside of the pipeline.
  const group = processGroup.subgroup(Array.from({ length: numRanks }, (_, each) => each));
  const pipe = new DualPipe([first!, second!], { processGroup: group, numReplicas });
  const batch = wholeBatch(runtime, failureSizes);

  const step = (lacking?: Failure["atCall"]) => {
    const { inputs, labels } = partOf(batch, pipe, numMicroBatches);
    return pipe.step(lacking === "no inputs" ? null : inputs, {
      numChunks: numMicroBatches,
      ...(lacking !== "no criterion" && { criterion: mseLoss }),
      ...(lacking !== "no labels" && { labels }),
    });
  };
  const zeroGrad = (): void => {
    for (const parameter of pipe.parameters()) parameter.grad = null;
  };
  /** Waits until every rank is here. */
  const synchronize = (): void => {
    allGatherNumbers(processGroup, []);
  };
  const fail = (failure: Failure): void => {
    if (failure.rank !== rank) {
      step();
      return;
    }
    const mood = moods[failure.mood ?? "throw"];
    if (typeof failure.atCall === "number")
      first!.mood = atCall(failure.atCall, (y) => {
        report("failing");
        return mood(y);
      });
    step(failure.atCall);
  };

  runtime.scope(step);
  zeroGrad();
  if (!data.goOn) {
    for (const failure of data.failures) runtime.scope(() => fail(failure));
    for (;;) {
      report("stepping");
      runtime.scope(step);
    }
  }
  const errors: { code: string; message: string }[] = [];
  const [numTensorsLeft, numBytesLeft]: [number[], number[]] = [[], []];
  const steps: StepReport[] = [];
  for (const failure of data.failures) {
    synchronize();
    const numTensors = runtime.addon.numTensors();
    const { liveBytes } = runtime.device.memory();
    synchronize();
    try {
      runtime.scope(() => fail(failure));
    } catch (error) {
      const { code, message } = error as Error & { code: string };
      errors.push({ code, message });
    }
    first!.mood = undefined;
    zeroGrad();
    synchronize();
    numTensorsLeft.push(runtime.addon.numTensors() - numTensors);
    numBytesLeft.push(runtime.device.memory().liveBytes - liveBytes);
    synchronize();
    steps.push(runtime.scope(() => reportStep(step(), modules)));
    zeroGrad();
  }
  return { errors, numTensorsLeft, numBytesLeft, steps };
}
