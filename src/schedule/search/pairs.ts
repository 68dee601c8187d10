/*
 * Which forwards and backwards overlap.
 *
 * An overlapped pair takes less time than its two parts where one communicates while the other computes, and it ties
 * them together: the I and the W of a pair cannot be moved apart. Which of the two matters more depends on the costs,
 * so the search joins neighbours to pairs and takes pairs apart again.
 */
import { ActionListBuilder } from "../program/action-list.ts";
import { Opcode } from "../program/opcode.ts";
import type { Program } from "../program/program.ts";
import type { StageCosts } from "../simulate/cost.ts";
import type { RandomNumbers } from "./random-numbers.ts";

/** Whether the pair of a forward and a backward, each of its stage, takes less time than both one after the other. */
export function isPairFaster(costs: StageCosts, forwardStage: number, backwardStage: number): boolean {
  const apart = costs.F[forwardStage]! + costs.B[backwardStage]!;
  return costs.pairForward[forwardStage]! + costs.pairBackward[backwardStage]! < apart * (1 - 1e-9);
}

/** Whether any pair is faster. */
export function arePairsFaster(costs: StageCosts): boolean {
  return costs.F.some((_, stage) => isPairFaster(costs, stage, stage));
}

/** Takes one pair apart, or joins one forward with the backward that follows it or that it follows. */
export function changePair(program: Program, random: RandomNumbers): Program | undefined {
  const rank = random.below(program.numRanks);
  const { opcodes, cells, backwardCells, length } = program.ranks[rank]!;
  const builder = new ActionListBuilder(program.numMicroBatches, length + 2);
  const first = random.below(length);
  let hasChanged = false;
  for (let index = 0; index < length; index++) {
    const [opcode, cell] = [opcodes[index]!, cells[index]!];
    const backward = backwardCells[index]!;
    if (hasChanged || index < first) builder.addCell(opcode, cell, backward);
    else if (opcode === Opcode.OVERLAP_F_B) {
      const isForwardFirst = random.below(2) === 0;
      if (isForwardFirst) builder.addCell(Opcode.F, cell, 0);
      builder.addCell(Opcode.I, backward, 0);
      builder.addCell(Opcode.W, backward, 0);
      if (!isForwardFirst) builder.addCell(Opcode.F, cell, 0);
      hasChanged = true;
    } else {
      const numBackwards = backwardLength(opcodes, cells, opcode === Opcode.F ? index + 1 : index);
      const forward = opcode === Opcode.F ? index : index + numBackwards;
      hasChanged = numBackwards > 0 && opcodes[forward] === Opcode.F;
      if (hasChanged) {
        builder.addCell(Opcode.OVERLAP_F_B, cells[forward]!, cells[forward === index ? index + 1 : index]!);
        index += numBackwards;
      } else builder.addCell(opcode, cell, 0);
    }
  }
  return hasChanged ? { ...program, ranks: program.ranks.with(rank, builder.finish()) } : undefined;
}

/** The number of actions of the full backward that starts at the index: a B, or an I and its W; 0 when none does. */
function backwardLength(opcodes: Uint8Array, cells: Uint32Array, index: number): number {
  if (opcodes[index] === Opcode.B) return 1;
  const isSplit = opcodes[index] === Opcode.I && opcodes[index + 1] === Opcode.W;
  return isSplit && cells[index] === cells[index + 1] ? 2 : 0;
}
