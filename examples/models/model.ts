// What main.ts needs to know of a model: its parts in order, data to learn from, and what is to become small.
import { type Module, type Runtime, Sequential, type Tensor, withSeed } from "dualpipe";

export interface ExampleModel {
  /** How many parts there are; a stage has one or more. */
  readonly numParts: number;
  /** Makes a part; the runtime's generator is seeded for it, so that every holder gets the same weights. */
  part(runtime: Runtime, index: number): Module;
  /** A batch of samples and their labels, different for each step. */
  batch(runtime: Runtime, numSamples: number, step: number): { inputs: Tensor; labels: Tensor };
  criterion(outputs: Tensor, labels: Tensor): Tensor;
}

/** A stage of a model that is cut into `numStages` of about the same number of parts. */
export function stageOf(runtime: Runtime, model: ExampleModel, stage: number, numStages: number): Sequential {
  const start = (boundary: number) => Math.round((boundary * model.numParts) / numStages);
  const parts: Module[] = [];
  for (let index = start(stage); index < start(stage + 1); index++)
    parts.push(withSeed(runtime, index, () => model.part(runtime, index)));
  return new Sequential(runtime, ...parts);
}

/** Numbers that look random and depend on the seed alone. */
export function numbersOf(seed: number): () => number {
  let state = seed + 1;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
