import { hasBackwardWeights, hasForward } from "../program/opcode.ts";
import type { Program } from "../program/program.ts";
import type { StageShape } from "./model-cost.ts";

/**
 * The most bytes that each rank holds for backwards that are still to come, in the order of the program, and what one
 * recomputed layer needs in addition. Transfers do not count.
 */
export function peakActivationBytes({ ranks }: Program, stages: readonly StageShape[]): number[] {
  const workspace = Math.max(...stages.map((stage) => stage.workspaceBytes));
  return ranks.map((actions) => {
    const { opcodes, cells, length } = actions;
    const bytesOf = (cell: number) => stages[actions.stageOf(cell)]!.activationBytes;
    let held = 0;
    let peak = 0;
    for (let index = 0; index < length; index++) {
      const opcode = opcodes[index]!;
      if (hasForward(opcode)) held += bytesOf(cells[index]!);
      if (held > peak) peak = held;
      if (hasBackwardWeights(opcode)) held -= bytesOf(actions.backwardCellAt(index));
    }
    return peak + workspace;
  });
}
