import { hasBackwardWeights, hasForward } from "./opcode.ts";
import type { Program } from "./program.ts";

/**
 * The largest number of activations that each rank holds at once, counted in micro-batches of one stage: from
 * the start of the forward to the end of the backward for weights. A pair holds both of its micro-batches.
 */
export function peakActivations(program: Program): number[] {
  return program.ranks.map(({ opcodes }) => {
    let held = 0;
    let peak = 0;
    for (const opcode of opcodes) {
      if (hasForward(opcode)) {
        held++;
        if (held > peak) peak = held;
      }
      if (hasBackwardWeights(opcode)) held--;
    }
    return program.forwardOnly ? Math.min(peak, 1) : peak;
  });
}
