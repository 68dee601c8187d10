import { type ActionList, ActionListBuilder, Opcode } from "../program/action-list.ts";
import type { Program } from "../program/program.ts";
import { type MissingReceive, ProgressCheck } from "../verify/progress.ts";

/**
 * Moves receives forward until no send can stop a rank for ever, where ranks stop at a send until its receive
 * is posted. A fixed window does not do: in a warm-up a rank may owe its neighbour more sends than that.
 */
export function postReceivesForRendezvous(program: Program): Program {
  const progress = new ProgressCheck(program, "rendezvous");
  const moves = new Map<number, MissingReceive[]>();
  progress.settle();
  // Every round posts at least one receive that was not posted, so the rounds end.
  for (let missing = progress.missingReceives(); missing.length > 0; missing = progress.missingReceives()) {
    for (const receive of missing) {
      const ofRank = moves.get(receive.rank);
      if (ofRank) ofRank.push(receive);
      else moves.set(receive.rank, [receive]);
      progress.post(receive.opcode, receive.cell);
    }
    progress.settle();
  }
  if (moves.size === 0) return program;
  const ranks = program.ranks.map((actions, rank) => moveReceives(actions, moves.get(rank) ?? []));
  return { ...program, ranks };
}

function moveReceives(actions: ActionList, moves: readonly MissingReceive[]): ActionList {
  if (moves.length === 0) return actions;
  const { opcodes, cells, backwardCells, length, numMicroBatches } = actions;
  const moved = { F: new Set<number>(), B: new Set<number>() };
  const out = new ActionListBuilder(numMicroBatches, length);
  let next = 0;
  for (let index = 0; index < length; index++) {
    const opcode = opcodes[index]!;
    const isSend = opcode === Opcode.SEND_F || opcode === Opcode.SEND_B;
    // A receive goes before the computation whose sends wait, so that those stay directly behind it.
    for (; !isSend && next < moves.length && moves[next]!.actionIndex < endOfSends(actions, index); next++) {
      const { opcode: receive, cell } = moves[next]!;
      out.addCell(receive, cell, 0);
      moved[receive === Opcode.RECV_F ? "F" : "B"].add(cell);
    }
    if (opcode === Opcode.RECV_F && moved.F.has(cells[index]!)) continue;
    if (opcode === Opcode.RECV_B && moved.B.has(cells[index]!)) continue;
    out.addCell(opcode, cells[index]!, backwardCells[index]!);
  }
  return out.finish();
}

/** Behind the action and the sends that follow it directly. */
function endOfSends({ opcodes }: ActionList, index: number): number {
  let end = index + 1;
  while (opcodes[end] === Opcode.SEND_F || opcodes[end] === Opcode.SEND_B) end++;
  return end;
}
