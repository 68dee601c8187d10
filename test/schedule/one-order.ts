import type { Action, Communication } from "../../src/schedule/program/action.ts";
import { isComputation } from "../../src/schedule/program/action.ts";
import { ActionList } from "../../src/schedule/program/action-list.ts";
import { rankOf } from "../../src/schedule/program/placement.ts";
import type { Program } from "../../src/schedule/program/program.ts";

/**
 * The program with communication in one order that every rank follows: the ranks take turns, and a rank runs its next
 * computation if its values have been received. The SEND of a result and its RECV are then written at once, each at
 * the end of its rank's list so far. torch.distributed.pipelining does the same, with turns for its sharding.
 */
export function inOneOrder(program: Program): Program {
  const { placement, numStages, numMicroBatches } = program;
  const lists: Action[][] = program.ranks.map(() => []);
  const rest = program.ranks.map((actions) => [...actions].filter(isComputation));
  const received = new Set<string>();
  const transfer = (kind: Communication["kind"], stage: number, microBatch: number) => {
    lists[rankOf(placement, stage, microBatch)]!.push({ kind, stage, microBatch });
  };
  const partsOf = (action: (typeof rest)[number][number]) =>
    action.kind === "OVERLAP_F_B" ? [action.forward, action.backward] : [action];
  while (rest.some(({ length }) => length > 0)) {
    for (const [rank, actions] of rest.entries()) {
      const [action] = actions;
      if (action === undefined) continue;
      const inputs = partsOf(action).flatMap(({ kind, stage, microBatch }) => {
        if (kind === "F") return stage === 0 ? [] : [`F${stage},${microBatch}`];
        return kind === "W" || stage === numStages - 1 ? [] : [`B${stage},${microBatch}`];
      });
      if (!inputs.every((input) => received.has(input))) continue;
      actions.shift();
      lists[rank]!.push(action);
      for (const { kind, stage, microBatch } of partsOf(action)) {
        if (kind === "W") continue;
        const flow = kind === "F" ? "F" : "B";
        const next = flow === "F" ? stage + 1 : stage - 1;
        if (next < 0 || next === numStages) continue;
        received.add(`${flow}${next},${microBatch}`);
        if (rankOf(placement, next, microBatch) === rank) continue;
        transfer(`SEND_${flow}`, stage, microBatch);
        transfer(`RECV_${flow}`, next, microBatch);
      }
    }
  }
  const ranks = lists.map((actions) => ActionList.from(actions, numMicroBatches));
  return { ...program, communication: "eager", ranks };
}
