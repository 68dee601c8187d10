import { type GraphRoot, rootOf } from "../../autograd/backward.ts";
import { historyOf } from "../../autograd/graph.ts";
import { checkGradientKept } from "../../autograd/lost-gradient.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { Message } from "../../transport/process-group.ts";

/** The end of each output's graph; null where no gradient flows. @throws AutogradError when a gradient is lost */
export function outputRoots(outputs: Message): (GraphRoot | null)[] {
  outputs.forEach((output, i) => {
    if (output) checkGradientKept(output, `output ${i} of the stage`);
  });
  return outputs.map((output) => (output ? rootOf(output) : null));
}

/**
 * The end of the loss's graph, or what is wrong with it: without a gradient from the loss to the outputs of the last
 * stage nothing would be trained, and nothing else would say so.
 */
export function lossRoot(outputs: Message, loss: Tensor): GraphRoot | string {
  checkGradientKept(loss, "the loss");
  const advice = "compute it from the outputs of the last stage, by operators that have a gradient";
  if (outputs.some(dependsOnInput) && historyOf(loss)?.source !== undefined && !dependsOnInput(loss))
    return `the loss does not depend on the outputs; ${advice}`;
  return (
    rootOf(loss) ??
    `no gradient flows from the loss, which was computed without the outputs, inside noGrad, or by an operator without a gradient; ${advice}`
  );
}

function dependsOnInput(tensor: Tensor | null): boolean {
  return tensor !== null && historyOf(tensor)?.dependsOnStageInput === true;
}
