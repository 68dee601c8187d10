import { MLP, type Module, type Runtime, Sequential, type Tensor } from "../src/index.ts";
import { type Configuration, shapeOfHalf } from "./workload.ts";

// `reference_step.py` draws the same numbers from the same seeds.
const INPUTS_SEED = 1000;
const TARGETS_SEED = 2000;

/** The stage of the reference's example, repeated for each block of the configuration. */
export function makeStage(
  runtime: Runtime,
  { hidden, numBlocks }: Configuration,
  stageIndex: number,
): Module {
  runtime.seed(stageIndex);
  const makeBlock = (): MLP => new MLP(runtime, hidden, 4 * hidden, { bias: false });
  if (numBlocks === 1) return makeBlock();
  return new Sequential(runtime, ...Array.from({ length: numBlocks }, makeBlock));
}

/** The inputs of the micro-batches that enter at the first rank (0) or at the last one (1). */
export function inputsOfHalf(runtime: Runtime, configuration: Configuration, half: 0 | 1): Tensor {
  runtime.seed(INPUTS_SEED + half);
  return runtime.randn(shapeOfHalf(configuration));
}

export function targetsOfHalf(runtime: Runtime, configuration: Configuration, half: 0 | 1): Tensor {
  runtime.seed(TARGETS_SEED + half);
  return runtime.randn(shapeOfHalf(configuration));
}
