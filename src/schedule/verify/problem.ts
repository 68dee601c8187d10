import { formatAction } from "../program/action.ts";
import type { Program } from "../program/program.ts";

export type ProblemCode =
  | "misplaced"
  | "missing"
  | "repeated"
  | "out-of-order"
  | "needless"
  | "channel-order"
  | "deadlock";

/** The position of an action in a program. */
export interface ActionLocation {
  readonly rank: number;
  readonly actionIndex: number;
}

/** One thing that is wrong with a program. */
export interface Problem extends ActionLocation {
  readonly code: ProblemCode;
  readonly message: string;
  /** Every rank of a deadlock's cycle, at the action that waits. */
  readonly cycle?: readonly ActionLocation[];
}

/** The action in words, or the end of the list. */
export function nameAction(program: Program, { rank, actionIndex }: ActionLocation): string {
  const actions = program.ranks[rank]!;
  return actionIndex < actions.length ? formatAction(actions.at(actionIndex)) : "the end";
}

/** The ranks of a problem with the actions around it; the bad ones stand in brackets. */
export function formatProblem(program: Program, problem: Problem, radius = 3): string {
  const locations = problem.cycle ?? [problem];
  const lines = locations.map((location) => {
    const { length } = program.ranks[location.rank]!;
    const first = Math.max(0, location.actionIndex - radius);
    const last = Math.min(length, location.actionIndex + radius);
    const names: string[] = first > 0 ? ["..."] : [];
    for (let actionIndex = first; actionIndex <= last; actionIndex++) {
      const name = nameAction(program, { rank: location.rank, actionIndex });
      names.push(actionIndex === location.actionIndex ? `[${name}]` : name);
    }
    return `  rank ${location.rank}: ${names.join(" ")}${last < length ? " ..." : ""}`;
  });
  return [problem.message, ...lines].join("\n");
}
