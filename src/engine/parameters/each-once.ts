import type { StageModule } from "../stage/stage.ts";

/** A parameter or buffer of a rank, with the first of its stages and its first name there. */
interface Found<State> {
  readonly stage: number;
  readonly name: string;
  readonly state: State;
}

/** What the modules of a rank name, in the order of the stages; what several stages share comes once. */
export function eachOnce<State>(
  modules: ReadonlyMap<number, StageModule>,
  namesIn: (module: StageModule) => readonly (readonly [name: string, state: State])[],
): Found<State>[] {
  const found = new Map<State, Found<State>>();
  for (const [stage, module] of [...modules].sort(([a], [b]) => a - b))
    for (const [name, state] of namesIn(module))
      if (!found.has(state)) found.set(state, { stage, name, state });
  return [...found.values()];
}
