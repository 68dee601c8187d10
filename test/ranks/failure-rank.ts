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
  /** Whether the ranks catch their errors and go on; otherwise they stop at the first one, or step forever. */
  readonly goOn: boolean;
  /** The number of replicas, each of which gets the whole batch; 1 by default. */
  readonly numReplicas?: number;
}

export interface FailureReport {
  /** The error of each failure. */
  readonly errors: readonly { readonly code: string; readonly message: string }[];
  /** The tensors and bytes that each failure left, and a step after it. */
  readonly numTensorsLeft: readonly number[];
  readonly numBytesLeft: readonly number[];
  readonly steps: readonly StepReport[];
}

export default function run(context: RankContext<FailureData>): FailureReport {
  const { runtime, processGroup, data, report } = context;
  const rank = new FailingRank(context);
  runtime.scope(() => rank.step());
  rank.zeroGrad();
  if (!data.goOn) {
    for (const failure of data.failures) runtime.scope(() => rank.fail(failure));
    for (;;) {
      report("stepping");
      runtime.scope(() => rank.step());
    }
  }
  /** Waits until all ranks are here. */
  const synchronize = (): void => {
    allGatherNumbers(processGroup, []);
  };
  const errors: { code: string; message: string }[] = [];
  const [numTensorsLeft, numBytesLeft]: [number[], number[]] = [[], []];
  const steps: StepReport[] = [];
  for (const failure of data.failures) {
    synchronize();
    const numTensors = runtime.addon.numTensors();
    const { liveBytes } = runtime.device.memory();
    synchronize();
    try {
      runtime.scope(() => rank.fail(failure));
    } catch (error) {
      const { code, message } = error as Error & { code: string };
      errors.push({ code, message });
    }
    rank.recover();
    synchronize();
    numTensorsLeft.push(runtime.addon.numTensors() - numTensors);
    numBytesLeft.push(runtime.device.memory().liveBytes - liveBytes);
    synchronize();
    steps.push(runtime.scope(() => reportStep(rank.step(), rank.modules)));
    rank.zeroGrad();
  }
  return { errors, numTensorsLeft, numBytesLeft, steps };
}

/** A rank of DualPipe that can be made to fail in a step. */
class FailingRank {
  readonly modules: ReadonlyMap<number, MoodyStage>;
  readonly #context: RankContext<FailureData>;
  readonly #first: MoodyStage;
  readonly #pipe: DualPipe;
  readonly #batch: ReturnType<typeof wholeBatch>;

  constructor(context: RankContext<FailureData>) {
    const { rank, numRanks, runtime, processGroup, data } = context;
    const { numReplicas = 1 } = data;
    const ranksPerReplica = numRanks / numReplicas;
    const pipelineRank = rank % ranksPerReplica;
    const stages = [pipelineRank, ranksPerReplica - 1 - pipelineRank] as const;
    const { hidden, dtype } = failureSizes;
    const [first, second] = stages.map((stage) => new MoodyStage(runtime, hidden, dtype, stageSeed(stage)));
    this.#context = context;
    this.#first = first!;
    this.modules = new Map(stages.map((stage, i) => [stage, i === 0 ? first! : second!]));
    // A group of its own: a rank that fails at once must not end what the others still do outside the pipeline.
    const group = processGroup.subgroup(Array.from({ length: numRanks }, (_, each) => each));
    this.#pipe = new DualPipe([first!, second!], { processGroup: group, numReplicas });
    this.#batch = wholeBatch(runtime, failureSizes);
  }

  step(lacking?: Failure["atCall"]) {
    const { numMicroBatches } = failureSizes;
    const { inputs, labels } = partOf(this.#batch, this.#pipe, numMicroBatches);
    return this.#pipe.step(lacking === "no inputs" ? null : inputs, {
      numChunks: numMicroBatches,
      ...(lacking !== "no criterion" && { criterion: mseLoss }),
      ...(lacking !== "no labels" && { labels }),
    });
  }

  /** Runs a step that fails on the failure's rank. */
  fail({ rank, atCall: at, mood = "throw" }: Failure): void {
    const { report } = this.#context;
    if (rank !== this.#context.rank) {
      this.step();
      return;
    }
    if (typeof at === "number")
      this.#first.mood = atCall(at, (y) => {
        report("failing");
        return moods[mood](y);
      });
    this.step(at);
  }

  recover(): void {
    this.#first.mood = undefined;
    this.zeroGrad();
  }

  zeroGrad(): void {
    for (const parameter of this.#pipe.parameters()) parameter.grad = null;
  }
}
