import type { ModuleStage } from "../../src/engine/stage/module-stage.ts";
import type { StepContext } from "../../src/engine/stage/step-context.ts";
import type { Runtime } from "../../src/tensor/runtime.ts";
import { finish, isSuspendable } from "../../src/tensor/suspension.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import type { Message } from "../../src/transport/process-group.ts";
import type { MlpSizes } from "../ranks/mlp-model.ts";

/** The sizes of the stages that are tested alone. */
export const sizes: MlpSizes = {
  hidden: 8,
  sequence: 3,
  microBatchSize: 2,
  numMicroBatches: 1,
  dtype: "float32",
};

/** A step of training in a stage that is not the last. */
export const training: StepContext = {
  training: true,
  criterion: undefined,
  labelsOf: () => [],
  keepLoss: () => {},
  keepOutputs: undefined,
};

/** Random inputs of a stage. */
export function stageInput(runtime: Runtime): Tensor {
  return runtime.randn([sizes.microBatchSize, sizes.sequence, sizes.hidden]);
}

/** The forward of a stage, with every wait of it. */
export function forward(stage: ModuleStage, microBatch: number, inputs: Message): Message {
  const result = stage.forward(microBatch, inputs);
  return isSuspendable<Message>(result) ? finish(result) : result;
}
