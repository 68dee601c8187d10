// Steps of DualPipe over MLP stages whose weights and data do not depend on the device.
import { mseLoss } from "../../src/autograd/operators/loss.ts";
import { DualPipe } from "../../src/engine/dualpipe.ts";
import type { RankContext } from "../../src/launch/rank-context.ts";
import { MLP } from "../../src/nn/layers/mlp.ts";
import * as kernels from "../../src/tensor/kernels/index.ts";
import type { Runtime } from "../../src/tensor/runtime.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import type { ProcessGroup } from "../../src/transport/process-group.ts";

export interface MlpSteps {
  readonly hidden: number;
  readonly numMicroBatches: number;
  readonly numSteps: number;
  readonly useGraphs?: boolean;
  /** Reports the end of the third step. */
  readonly onStep?: boolean;
  /** The last rank's criterion asks for more memory than there is. */
  readonly exhaustsMemory?: boolean;
}

export interface MlpStepsReport {
  readonly device: string;
  /** Losses of the first step and of the last one. */
  readonly losses: readonly (readonly number[])[];
  readonly gradients: readonly (readonly (readonly number[])[])[];
  /** Waits of the host for the card in all steps but the first. */
  readonly numSynchronizations: number;
  /** Those that reading one number adds. */
  readonly numInRead: number;
  readonly graphProblem: string | undefined;
  /** Live bytes of the card after each step. */
  readonly liveBytes: readonly number[];
}

export default function runSteps({
  rank,
  numRanks,
  runtime,
  processGroup,
  report,
  data: { hidden, numMicroBatches, numSteps, useGraphs = false, onStep = false, exhaustsMemory = false },
}: RankContext<MlpSteps>): MlpStepsReport {
  const { device } = runtime;
  const stages = [rank, numRanks - 1 - rank].map((stage) => stageOf(runtime, hidden, stage)) as [MLP, MLP];
  const pipe = new DualPipe(stages, { processGroup, useGraphs });
  const parameters = pipe.parameters();
  return runtime.scope(() => {
    const isEnd = rank === 0 || rank === numRanks - 1;
    const shape = [numMicroBatches / 2, 4, hidden];
    const inputs = isEnd ? numbersOf(runtime, shape, rank) : null;
    const labels = isEnd ? [numbersOf(runtime, shape, rank + 1)] : [];
    const [losses, gradients]: [number[][], number[][][]] = [[], []];
    const liveBytes: number[] = [];
    let numSynchronizations = 0;
    const criterion = (outputs: Tensor, targets: Tensor) => {
      if (exhaustsMemory && rank === numRanks - 1) runtime.zeros([2 ** 42]);
      return mseLoss(outputs, targets);
    };
    for (let i = 0; i < numSteps; i++) {
      const before = device.numSynchronizations;
      const { loss } = pipe.step(inputs, { numChunks: numMicroBatches, criterion, labels });
      if (i > 0) numSynchronizations += device.numSynchronizations - before;
      if (i === 0 || i === numSteps - 1) {
        losses.push(loss?.toArray() ?? []);
        gradients.push(parameters.map(({ grad }) => grad!.toArray()));
      }
      loss?.dispose();
      for (const parameter of parameters) parameter.grad = null;
      // All ranks of a card are between two steps, before and after.
      if (onStep && i === 2) report(i);
      synchronize(processGroup);
      liveBytes.push(device.memory().liveBytes);
      synchronize(processGroup);
    }
    const { graphProblem } = pipe;
    pipe.dispose();
    const before = device.numSynchronizations;
    runtime.scope(() => runtime.ones([1]).item());
    const numInRead = device.numSynchronizations - before;
    return {
      device: device.name,
      losses,
      gradients,
      numSynchronizations,
      numInRead,
      graphProblem,
      liveBytes,
    };
  });
}

/** Waits until every rank is here, without a tensor. */
function synchronize(group: ProcessGroup): void {
  const { rank, size } = group;
  for (let peer = 0; peer < size; peer++) if (peer !== rank) group.send(peer, "control", []);
  for (let peer = 0; peer < size; peer++) if (peer !== rank) group.receive(peer, "control").take();
}

function stageOf(runtime: Runtime, hidden: number, stage: number): MLP {
  const mlp = new MLP(runtime, hidden, 4 * hidden, { bias: false });
  mlp.parameters().forEach((parameter, i) => {
    runtime.scope(() => {
      const values = numbersOf(runtime, parameter.shape, 10 * (stage + 1) + i);
      kernels.copy_(parameter, kernels.mulScalar(values, 1 / Math.sqrt(hidden)));
    });
  });
  return mlp;
}

/** Numbers that look random, the same on every device. */
function numbersOf(runtime: Runtime, shape: readonly number[], seed: number): Tensor {
  const numElements = shape.reduce((product, size) => product * size, 1);
  let state = seed + 1;
  const numbers = Float32Array.from({ length: numElements }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return state / 2 ** 31;
  });
  return runtime.fromArray(numbers, shape, "float32");
}
