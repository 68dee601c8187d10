import type { Pipeline } from "../../engine/pipeline.ts";
import type { AnyModule } from "../../nn/module.ts";
import type { ModuleBuffer } from "../../nn/module-buffer.ts";
import type { NamedParameter } from "../../optim/optimizer.ts";

type NamedBuffer = readonly [name: string, buffer: ModuleBuffer];

/** What a rank has of the model, by the names in the whole model. */
export interface ModelState {
  /** All parameters of its stages, including those that other ranks own. */
  readonly parameters: readonly NamedParameter[];
  /** The parameters that it alone updates and saves. */
  readonly owned: readonly NamedParameter[];
  /** All buffers of its stages, including those that other ranks own. */
  readonly buffers: readonly NamedBuffer[];
  /** The buffers that it alone saves. */
  readonly ownedBuffers: readonly NamedBuffer[];
}

/** @param stages The modules of the pipeline on this rank, which name their parts as in the whole model. */
export function modelStateOf(stages: readonly AnyModule[], pipeline: Pipeline): ModelState {
  return {
    parameters: stages.flatMap((stage) => stage.namedParameters()),
    owned: pipeline.ownedParameters().map(({ name, parameter }) => [name, parameter]),
    buffers: stages.flatMap((stage) => stage.namedBuffers()),
    ownedBuffers: pipeline.ownedBuffers().map(({ name, buffer }) => [name, buffer]),
  };
}
