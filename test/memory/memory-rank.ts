import { noGrad } from "../../src/autograd/grad-mode.ts";
import { mseLoss } from "../../src/autograd/operators/loss.ts";
import { Pipeline } from "../../src/engine/pipeline.ts";
import { stagesOfRank } from "../../src/engine/pipeline-options.ts";
import type { StageModule } from "../../src/engine/stage/stage.ts";
import type { RankContext } from "../../src/launch/rank-context.ts";
import { allGatherNumbers } from "../../src/transport/collectives.ts";
import { partOf } from "../ranks/batch-part.ts";
import { type MlpSizes, mlpStage, wholeBatch } from "../ranks/mlp-model.ts";

export interface MemoryCase {
  readonly schedule: string;
  readonly sizes: MlpSizes;
  readonly numSteps: number;
}

export interface MemoryReport {
  /** After each step, while no rank computes: tensors of this rank and bytes of the process, less the baseline. */
  readonly numTensors: readonly number[];
  readonly numBytes: readonly number[];
  /** The most micro-batches of activations on this rank, by step. */
  readonly maxInFlight: readonly number[];
  /** The most bytes of the process during a step, less those before it, by step. */
  readonly peakBytes: readonly number[];
}

export default function runCases({
  rank,
  numRanks,
  runtime,
  processGroup,
  data,
}: RankContext<readonly MemoryCase[]>): MemoryReport[] {
  const { addon, device } = runtime;
  const synchronize = (): void => {
    allGatherNumbers(processGroup, []);
  };
  return data.map(({ schedule, sizes, numSteps }) => {
    const indices = stagesOfRank(schedule, numRanks, rank);
    const modules = new Map<number, StageModule>(
      indices.map((stage) => [stage, mlpStage(runtime, sizes, stage)]),
    );
    const pipe = new Pipeline({ schedule, modules, processGroup });
    const { numMicroBatches } = sizes;
    const batch = wholeBatch(runtime, sizes);
    const step = (index: number): void => {
      runtime.scope(() => {
        const { inputs, labels } = partOf(batch, pipe, numMicroBatches);
        const run = () =>
          pipe.step(inputs, {
            numChunks: numMicroBatches,
            criterion: mseLoss,
            labels,
            returnOutputs: index % 5 === 3,
          });
        if (index % 5 === 4) noGrad(runtime, run);
        else run();
      });
    };
    const report = { numTensors: [], numBytes: [], maxInFlight: [], peakBytes: [] } as Record<
      keyof MemoryReport,
      number[]
    >;
    step(0);
    synchronize();
    const [numTensors, { liveBytes }] = [addon.numTensors(), device.memory()];
    for (let i = 0; i < numSteps; i++) {
      synchronize();
      if (rank === 0) device.resetPeakBytes();
      synchronize();
      step(i);
      synchronize();
      const memory = device.memory();
      report.numTensors.push(addon.numTensors() - numTensors);
      report.numBytes.push(memory.liveBytes - liveBytes);
      report.maxInFlight.push(pipe.maxInFlight);
      report.peakBytes.push(memory.peakBytes - liveBytes);
    }
    synchronize();
    for (const module of modules.values()) {
      module.zeroGrad();
      module.dispose();
    }
    for (const tensor of [batch.inputs, batch.targets]) tensor.dispose();
    synchronize();
    return report;
  });
}
