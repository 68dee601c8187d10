import type { Action } from "./action.ts";
import { ActionList } from "./action-list.ts";
import type { Program } from "./program.ts";

/** The forwards of a program of computations, in its own order: what it does when nothing is trained. */
export function forwardPart(program: Program): Program {
  const ranks = program.ranks.map((actions) => {
    const forwards: Action[] = [];
    for (const action of actions) {
      if (action.kind === "F") forwards.push(action);
      else if (action.kind === "OVERLAP_F_B") forwards.push(action.forward);
    }
    return ActionList.from(forwards, program.numMicroBatches);
  });
  return { ...program, forwardOnly: true, communication: "none", ranks };
}
