import { type Action, formatAction } from "./action.ts";
import { ActionList } from "./action-list.ts";
import type { Placement } from "./placement.ts";

/**
 * The rules by which a program communicates.
 * `none`: it has computations only.
 * `eager`: a RECV posts a receive and does not wait; a computation waits for the values that it needs. The SENDs
 * directly after a computation belong to it and start as soon as their value exists: an activation when the forward is
 * done, also inside a pair; an input gradient after I and before W, also inside a B. The backward of a pair needs its
 * gradient only when the forward of the pair is done.
 * `batched`: all transfers between two computations start together, when the first computation has ended, and the rank
 * waits for all of them, as the reference implementation does.
 */
export type CommunicationMode = "none" | "eager" | "batched";

/** The actions of every rank in one step, as data. */
export interface Program {
  readonly schedule: string;
  readonly numRanks: number;
  readonly numStages: number;
  readonly numMicroBatches: number;
  readonly forwardOnly: boolean;
  readonly communication: CommunicationMode;
  readonly placement: Placement;
  /** One list per rank. */
  readonly ranks: readonly ActionList[];
}

/** The actions of a program as text, one list per rank. */
export function formatProgram(program: Program): string[][] {
  return program.ranks.map((actions) => Array.from(actions, formatAction));
}

/** The number of actions over all ranks; a pair counts once. */
export function countActions(program: Program): number {
  return program.ranks.reduce((count, actions) => count + actions.length, 0);
}

/** The forwards of a program of computations, in their order: a step of inference. */
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
