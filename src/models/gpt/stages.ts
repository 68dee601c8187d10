/*
 * A rank builds only the stages it holds, yet the model must be the same however it is cut and whichever rank builds
 * it: the mirror ranks of DualPipe hold the same stage, and a run may resume on another number of ranks. So nothing may
 * depend on the order of construction: layers are divided by a formula (stage s of S has layers floor(s L / S) up to
 * floor((s + 1) L / S), plus the embeddings in the first stage and the final norm and head in the last), and each
 * parameter is drawn from a generator seeded by the run's seed and the parameter's name in the whole model.
 *
 * One case breaks this: a head that is tied to the token embedding is the same tensor as a parameter of the first
 * stage. Two ranks cannot share a tensor, so such a model needs a schedule that puts both ends on one rank.
 */

import type { Parameter } from "../../autograd/parameter.ts";
import { counted } from "../../errors/counted.ts";
import { OptionError } from "../../errors/option-error.ts";
import { fillConstant, fillNormal, withSeed } from "../../nn/initial.ts";
import type { Runtime } from "../../tensor/runtime.ts";
import { seedFor } from "../../tensor/seed.ts";
import { type GptConfig, GptStage } from "./gpt.ts";

export interface GptStagesOptions {
  readonly config: GptConfig;
  /** Stages of the whole pipeline: P for DualPipe, 2P for DualPipeV, 1 for a sequential model. */
  readonly numStages: number;
  /** The stages to build; all by default. */
  readonly stageIndices?: readonly number[] | undefined;
  readonly runtime: Runtime;
  /** Initial weights depend on the seed and on their own names, not on the stages or ranks that build them. */
  readonly seed: number;
}

/**
 * Builds stages of a GPT, in the order of `stageIndices`. Initial weights are GPT-2's: normal with a standard deviation
 * of 0.02, divided by `sqrt(2 L)` in the projections that add to the residual stream; biases are 0.
 * @returns The stages, which the caller disposes of.
 * @throws OptionError
 *
 * @example
 * const [first, last] = gptStages({ config, numStages: 4, stageIndices: [0, 3], runtime, seed: 1 });
 */
export function gptStages(options: GptStagesOptions): GptStage[] {
  const { config, numStages, runtime, seed } = options;
  const indices = options.stageIndices ?? Array.from({ length: numStages }, (_, index) => index);
  checkStages(config, numStages, indices);
  return withSeed(runtime, seed, () => {
    const built = new Map<number, GptStage>();
    // A tied head takes its weight from the first stage, so that one is built before the last.
    for (const index of indices.toSorted((a, b) => a - b)) {
      const tokenEmbedding = config.tieEmbeddings ? built.get(0)?.transformer.wte?.weight : undefined;
      const slice = {
        firstLayer: Math.floor((index * config.numLayers) / numStages),
        endLayer: Math.floor(((index + 1) * config.numLayers) / numStages),
        hasEmbeddings: index === 0,
        hasHead: index === numStages - 1,
      };
      const stage = new GptStage(runtime, config, slice, tokenEmbedding);
      for (const [name, parameter] of stage.namedParameters())
        if (parameter !== tokenEmbedding) initialize(name, parameter, config.numLayers, seed);
      built.set(index, stage);
    }
    return indices.map((index) => built.get(index)!);
  });
}

function initialize(name: string, parameter: Parameter, numLayers: number, seed: number): void {
  if (name.endsWith(".bias")) fillConstant(parameter, 0);
  if (parameter.shape.length < 2) return;
  parameter.runtime.seed(seedFor(seed, name));
  fillNormal(parameter, name.endsWith(".c_proj.weight") ? 0.02 / Math.sqrt(2 * numLayers) : 0.02);
}

function checkStages(config: GptConfig, numStages: number, indices: readonly number[]): void {
  const { numLayers, tieEmbeddings = false } = config;
  if (!Number.isInteger(numStages) || numStages < 1 || numStages > numLayers)
    throw new OptionError(
      `a GPT of ${counted(numLayers, "layer")} has 1 to ${counted(numLayers, "stage")}, each of at least one layer; got ${numStages}`,
    );
  for (const index of indices)
    if (!Number.isInteger(index) || index < 0 || index >= numStages)
      throw new OptionError(
        `the stages of a GPT cut into ${numStages} are 0 to ${numStages - 1}; got [${indices}]`,
      );
  if (tieEmbeddings && indices.includes(0) !== indices.includes(numStages - 1))
    throw new OptionError(
      `a tied head shares its weight with the token embedding, so one rank must hold both stage 0 and stage ${numStages - 1}, ` +
        `as under DualPipe and DualPipeV; got the stages [${indices}]; set tieEmbeddings to false for this schedule`,
    );
}
