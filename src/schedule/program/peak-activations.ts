import { Opcode } from "./action-list.ts";
import type { Program } from "./program.ts";

/**
 * The most micro-batches whose activations each rank holds at once, of one stage each: from the start of F to
 * the end of B, or of W where the backward is split. A pair holds both of its micro-batches.
 */
export function peakActivations(program: Program): number[] {
  return program.ranks.map(({ opcodes }) => {
    let held = 0;
    let peak = 0;
    for (const opcode of opcodes) {
      if (opcode === Opcode.F || opcode === Opcode.OVERLAP_F_B) {
        held++;
        if (held > peak) peak = held;
      }
      if (opcode === Opcode.B || opcode === Opcode.W || opcode === Opcode.OVERLAP_F_B) held--;
    }
    return program.forwardOnly ? Math.min(peak, 1) : peak;
  });
}
