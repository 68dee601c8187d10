import {
  formatProgramCsv,
  type LostSchedule,
  type PlannedRun,
  type PlanRequest,
  plan,
} from "../../schedule/index.ts";
import { type PlanTexts, requestOf } from "../plan/plan-settings.ts";

/** What the planner has found: first the runs of the named schedules, then also what the search for others found. */
export interface PlanResult {
  readonly request: PlanRequest;
  readonly candidates: readonly PlannedRun[];
  /** Why each schedule but the best lost; empty until the search is done. */
  readonly lost: readonly LostSchedule[];
  /** What the search found, in words; undefined until it is done. */
  readonly search?: string;
  /** The program of the run called "searched", in CSV. */
  readonly searchedProgram?: string;
}

export type PlanAnswer = PlanResult | { readonly problem: string };

/** Tries all ways to train the model of the texts, and answers twice; or says what is wrong with them. */
export function planDevices(texts: PlanTexts, post: (answer: PlanAnswer) => void): void {
  try {
    const request = requestOf(texts);
    const { candidates, lost, search, searchedProgram } = plan(request, 1, (first) =>
      post({ request, candidates: first, lost: [] }),
    );
    const program = searchedProgram && formatProgramCsv(searchedProgram);
    post({
      request,
      candidates,
      lost,
      search,
      ...(program === undefined ? {} : { searchedProgram: program }),
    });
  } catch (error) {
    if (!(error instanceof Error && "problem" in error)) throw error;
    post({ problem: String(error.problem) });
  }
}
