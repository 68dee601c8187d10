/**
 * Makes a lowered program safe for synchronous sends, which stop their rank until the receive is posted.
 *
 * Two ranks deadlock when each is in a send and the receive that the other needs comes later in its own list. No
 * fixed window of early receives prevents that: in a warm-up a rank may send its neighbour many values before
 * the neighbour needs the first. Posting all receives at the start would be safe, but each needs a buffer.
 *
 * So the program is run on the abstract machine of verify/progress.ts, with synchronous sends, until no rank can go on.
 * Every receive that a send then waits for is posted at once by its rank, at the action where that rank is, and the
 * machine goes on. Each round posts at least one receive that was not posted, so the rounds end; and since a sound
 * program has no cycle among its computations, they end with every rank at its end. Only receives that would have
 * deadlocked move, and only as far as they must.
 */
import { type ActionList, ActionListBuilder } from "../program/action-list.ts";
import { type Cells, flowOf } from "../program/cells.ts";
import { isReceive, isSend } from "../program/opcode.ts";
import type { Program } from "../program/program.ts";
import { type MissingReceive, ProgressCheck } from "../verify/progress.ts";

/** The lowered program, with receives moved forward until no synchronous send can wait for ever. */
export function postReceivesForSynchronousSends(program: Program, cells: Cells): Program {
  const progress = new ProgressCheck(program, cells, "rendezvous");
  const moves = new Map<number, MissingReceive[]>();
  progress.settle();
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
    // A receive goes before the computation whose sends wait, so that those stay directly after it.
    while (!isSend(opcode) && next < moves.length && moves[next]!.actionIndex < endOfSends(actions, index)) {
      const { opcode: receive, cell } = moves[next++]!;
      out.addCell(receive, cell, 0);
      moved[flowOf(receive)].add(cell);
    }
    if (isReceive(opcode) && moved[flowOf(opcode)].has(cells[index]!)) continue;
    out.addCell(opcode, cells[index]!, backwardCells[index]!);
  }
  return out.finish();
}

/** The index after the action and the sends that directly follow it. */
function endOfSends({ opcodes, length }: ActionList, index: number): number {
  let end = index + 1;
  while (end < length && isSend(opcodes[end]!)) end++;
  return end;
}
