import type { Leaf } from "../../autograd/graph.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { Message } from "../../transport/process-group.ts";
import type { Criterion } from "./stage.ts";

/** What a stage must know of the step that it runs in. */
export interface StepContext {
  readonly training: boolean;
  /** For the last stage only, like the members after it. */
  readonly criterion: Criterion | undefined;
  labelsOf(microBatch: number): Message;
  /** Takes over the loss. */
  keepLoss(microBatch: number, loss: Tensor): void;
  /** Takes over the outputs; undefined when they are not wanted. */
  readonly keepOutputs: ((microBatch: number, outputs: Message) => void) | undefined;
  /** Hears of gradients to which the stage's last W adds no more. */
  readonly gradientFinal?: ((leaf: Leaf) => void) | undefined;
}
