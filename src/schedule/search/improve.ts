import { lower } from "../lower/lower.ts";
import type { Action } from "../program/action.ts";
import { ActionList } from "../program/action-list.ts";
import { peakActivations } from "../program/peak-activations.ts";
import type { Program } from "../program/program.ts";
import type { CostModel } from "../simulate/cost.ts";
import { simulate } from "../simulate/simulate.ts";
import type { Simulation } from "../simulate/simulation.ts";
import type { ActionLocation } from "../verify/problem.ts";
import { verify } from "../verify/verify.ts";
import { changePair } from "./pairs.ts";
import type { RandomNumbers } from "./random-numbers.ts";

export interface SearchResult {
  readonly program: Program;
  readonly simulation: Simulation;
}

export interface ImproveOptions {
  readonly cost: CostModel;
  readonly maxActivations: number;
  readonly numTrials: number;
  /** Whether to join forwards and backwards to pairs, and take pairs apart. */
  readonly hasPairs: boolean;
}

/** A program that is slower than the best by up to this share is changed further; falls to zero over the trials. */
const TOLERANCE_AT_START = 0.01;
const MAX_MOVE = 3;

/**
 * Moves single actions around idle times: the action that ends an idle time goes back, or the one that makes the value
 * it waits for comes forward. At first a program may become a little slower, because one move alone seldom helps.
 */
export function improve(start: SearchResult, options: ImproveOptions, random: RandomNumbers): SearchResult {
  const { cost, maxActivations, numTrials, hasPairs } = options;
  let best = start;
  let current = start;
  for (let trial = 0; trial < numTrials; trial++) {
    const program =
      hasPairs && random.below(2) === 0
        ? changePair(current.program, random)
        : moveOneAction(current, random);
    if (program === undefined || Math.max(...peakActivations(program)) > maxActivations) continue;
    if (verify(program, { maxProblems: 1 }).problems.length > 0) continue;
    const simulation = simulate(lower(program), cost);
    const tolerance = TOLERANCE_AT_START * (1 - trial / numTrials);
    if (simulation.makespan > best.simulation.makespan * (1 + tolerance)) continue;
    current = { program, simulation };
    if (simulation.makespan < best.simulation.makespan) best = current;
  }
  return best;
}

/** Every computation before which its rank is idle. */
function findIdleTimes({ timeline, makespan }: Simulation): ActionLocation[] {
  return timeline.ranks.flatMap((track, rank) => {
    const locations: ActionLocation[] = [];
    for (let actionIndex = 1; actionIndex < track.length; actionIndex++) {
      const idle = track.startsMs[actionIndex]! - track.endsMs[actionIndex - 1]!;
      if (idle > 1e-9 * makespan) locations.push({ rank, actionIndex });
    }
    return locations;
  });
}

function moveOneAction({ program, simulation }: SearchResult, random: RandomNumbers): Program | undefined {
  const idleTimes = findIdleTimes(simulation);
  const idle = idleTimes[random.below(Math.max(1, idleTimes.length))];
  if (idle === undefined) return undefined;
  const distance = 1 + random.below(MAX_MOVE);
  if (random.below(2) === 0) return move(program, idle, distance);
  const producer = findProducer(program, program.ranks[idle.rank]!.at(idle.actionIndex));
  return producer === undefined ? undefined : move(program, producer, -distance);
}

/** The computation on any rank that makes a value which the action needs. */
function findProducer(program: Program, action: Action): ActionLocation | undefined {
  const needed = action.kind === "OVERLAP_F_B" ? action.forward : action;
  const isForward = needed.kind === "F";
  const stage = needed.stage + (isForward ? -1 : 1);
  for (const [rank, actions] of program.ranks.entries()) {
    for (const [actionIndex, candidate] of [...actions].entries()) {
      const part =
        candidate.kind === "OVERLAP_F_B" ? (isForward ? candidate.forward : candidate.backward) : candidate;
      const isKind = isForward ? part.kind === "F" : part.kind === "I" || part.kind === "B";
      if (isKind && part.stage === stage && part.microBatch === needed.microBatch) {
        return { rank, actionIndex };
      }
    }
  }
  return undefined;
}

function move(program: Program, { rank, actionIndex }: ActionLocation, distance: number): Program {
  const actions: Action[] = [...program.ranks[rank]!];
  const [moved] = actions.splice(actionIndex, 1);
  actions.splice(Math.max(0, actionIndex + distance), 0, moved!);
  return { ...program, ranks: program.ranks.with(rank, ActionList.from(actions, program.numMicroBatches)) };
}
