import type { Parameter } from "../../autograd/parameter.ts";
import { OptionError } from "../../nn/errors.ts";
import { fillConstant, fillNormal, seedFor, withSeed } from "../../nn/initial.ts";
import type { Runtime } from "../../tensor/runtime.ts";
import { type GptConfig, GptStage } from "./gpt.ts";

export interface GptStagesOptions {
  readonly config: GptConfig;
  /** Of the whole pipeline: P for DualPipe, 2P for DualPipeV, 1 for a sequential model. */
  readonly numStages: number;
  /** The stages to build; all of them when left out. */
  readonly stageIndices?: readonly number[];
  readonly runtime: Runtime;
  /** Initial weights depend on it and on their own names alone, not on who builds them, nor in how many stages. */
  readonly seed: number;
}

/**
 * The stages asked for, in that order. The blocks are divided in order, stage `s` of `S` having those from
 * `floor(s L / S)` up to `floor((s + 1) L / S)`; the first stage has the embeddings too, the last the final norm and the head.
 * Weights start as GPT-2's: normal with a deviation of 0.02, divided by `sqrt(2 L)` where a block adds to its input; biases 0.
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
    // A tied head takes its weight from the first stage, which is therefore built before the last.
    for (const index of indices.toSorted((a, b) => a - b)) {
      const tokenEmbedding = config.tieEmbeddings ? built.get(0)?.transformer.wte?.weight : undefined;
      const stage = new GptStage(runtime, config, {
        firstLayer: Math.floor((index * config.numLayers) / numStages),
        endLayer: Math.floor(((index + 1) * config.numLayers) / numStages),
        hasEmbeddings: index === 0,
        hasHead: index === numStages - 1,
        tokenEmbedding,
      });
      for (const [name, parameter] of stage.namedParameters())
        if (parameter !== tokenEmbedding) initialise(name, parameter, config.numLayers, seed);
      built.set(index, stage);
    }
    return indices.map((index) => built.get(index)!);
  });
}

function initialise(name: string, parameter: Parameter, numLayers: number, seed: number): void {
  if (name.endsWith(".bias")) fillConstant(parameter, 0);
  if (parameter.shape.length < 2) return;
  parameter.runtime.seed(seedFor(seed, name));
  fillNormal(parameter, name.endsWith(".c_proj.weight") ? 0.02 / Math.sqrt(2 * numLayers) : 0.02);
}

function checkStages(config: GptConfig, numStages: number, indices: readonly number[]): void {
  const { numLayers, tieEmbeddings = false } = config;
  if (!Number.isInteger(numStages) || numStages < 1 || numStages > numLayers)
    throw new OptionError(
      `a GPT of ${numLayers} layers has 1 to ${numLayers} stages, of one layer at least; got ${numStages}`,
    );
  for (const index of indices)
    if (!Number.isInteger(index) || index < 0 || index >= numStages)
      throw new OptionError(
        `the stages of a GPT cut into ${numStages} are 0 to ${numStages - 1}; got [${indices}]`,
      );
  if (tieEmbeddings && indices.includes(0) !== indices.includes(numStages - 1))
    throw new OptionError(
      `a tied head shares its weight with the token embedding, so one rank must have both stage 0 and stage ${numStages - 1}, ` +
        `as with DualPipe and DualPipeV; got the stages [${indices}]; set tieEmbeddings to false for this schedule`,
    );
}
