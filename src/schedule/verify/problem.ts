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

/** An action of a program, by its place. */
export interface ActionPlace {
  readonly rank: number;
  readonly actionIndex: number;
}

/** One thing that is wrong with a program. */
export interface Problem extends ActionPlace {
  readonly code: ProblemCode;
  readonly message: string;
  /** Every rank of a deadlock's cycle, at the action where it stands. */
  readonly cycle?: readonly ActionPlace[];
}

/** The action in words, or the end of the list. */
export function nameAction(program: Program, { rank, actionIndex }: ActionPlace): string {
  const actions = program.ranks[rank]!;
  return actionIndex < actions.length ? formatAction(actions.at(actionIndex)) : "the end";
}

/** The ranks of a problem with the actions around it; the bad ones stand in brackets. */
export function formatProblem(program: Program, problem: Problem, radius = 3): string {
  const places = problem.cycle ?? [problem];
  const lines = places.map((place) => {
    const { length } = program.ranks[place.rank]!;
    const first = Math.max(0, place.actionIndex - radius);
    const last = Math.min(length, place.actionIndex + radius);
    const names: string[] = first > 0 ? ["..."] : [];
    for (let actionIndex = first; actionIndex <= last; actionIndex++) {
      const name = nameAction(program, { rank: place.rank, actionIndex });
      names.push(actionIndex === place.actionIndex ? `[${name}]` : name);
    }
    return `  rank ${place.rank}: ${names.join(" ")}${last < length ? " ..." : ""}`;
  });
  return [problem.message, ...lines].join("\n");
}
