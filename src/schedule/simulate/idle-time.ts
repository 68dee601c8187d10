/*
 * Why the ranks of a measured step were idle. A timeline says only when computations ran. But what each of them needs
 * is known: an activation of the stage before, or an input gradient of the stage after. Idle time until the last of
 * these was computed is waiting for data. What is left before the computation is the way of the value, and the host.
 * The engine records when a rank began to wait, which tells the two apart: before that the host was not done with what
 * comes between computations. A timeline without these times cannot, and then the link has both.
 */
import { hasBackwardInputs, hasForward, isTransfer, Opcode } from "../program/opcode.ts";
import type { RankIdleTime } from "./bubble-causes.ts";
import type { Timeline } from "./timeline.ts";

/** In a pair, the forward is done after about this share of the time. */
const FORWARD_SHARE = 1 / 3;

/** The work and the waits of each rank. */
export function idleTimeOf(timeline: Timeline): RankIdleTime[] {
  const numMicroBatches = timeline.ranks[0]?.actions.numMicroBatches ?? 1;
  const { forwards, backwards } = endsOf(timeline);
  return timeline.ranks.map(({ actions, startsMs, endsMs, waitsMs }) => {
    let [work, dataWait, linkWait, hostWait, previous] = [0, 0, 0, 0, 0];
    for (let index = 0; index < actions.length; index++) {
      const opcode = actions.opcodes[index]!;
      if (isTransfer(opcode)) continue;
      const start = startsMs[index]!;
      const ready = Math.max(
        hasForward(opcode) ? (forwards[actions.cells[index]! - numMicroBatches] ?? 0) : 0,
        hasBackwardInputs(opcode) ? (backwards[actions.backwardCellAt(index) + numMicroBatches] ?? 0) : 0,
      );
      const idle = Math.max(0, start - previous);
      const wait = Math.min(idle, waitsMs?.[index] ?? idle);
      const forData = Math.min(wait, Math.max(0, ready - (start - wait)));
      hostWait += idle - wait;
      dataWait += forData;
      linkWait += wait - forData;
      work += endsMs[index]! - start;
      previous = Math.max(previous, endsMs[index]!);
    }
    return { work, dataWait, linkWait, ...(waitsMs === undefined ? {} : { hostWait }) };
  });
}

/** When the activation and the input gradient of each cell were computed. */
function endsOf(timeline: Timeline): { forwards: Float64Array; backwards: Float64Array } {
  let numCells = 0;
  for (const { actions } of timeline.ranks)
    for (const cell of actions.cells) numCells = Math.max(numCells, cell + 1);
  const [forwards, backwards] = [new Float64Array(numCells), new Float64Array(numCells)];
  for (const { actions, startsMs, endsMs } of timeline.ranks) {
    for (let index = 0; index < actions.length; index++) {
      const opcode = actions.opcodes[index]!;
      const [start, end] = [startsMs[index]!, endsMs[index]!];
      if (hasForward(opcode))
        forwards[actions.cells[index]!] =
          opcode === Opcode.OVERLAP_F_B ? start + (end - start) * FORWARD_SHARE : end;
      if (hasBackwardInputs(opcode)) backwards[actions.backwardCellAt(index)] = end;
    }
  }
  return { forwards, backwards };
}
