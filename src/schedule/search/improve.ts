import { lower } from "../lower/lower.ts";
import type { Action } from "../program/action.ts";
import { ActionList } from "../program/action-list.ts";
import { peakActivations } from "../program/peak-activations.ts";
import type { Program } from "../program/program.ts";
import type { CostModel } from "../simulate/cost.ts";
import { type Simulation, simulate } from "../simulate/simulate.ts";
import { verify } from "../verify/verify.ts";

export interface SearchResult {
  readonly program: Program;
  readonly simulation: Simulation;
}

export interface ImproveOptions {
  readonly cost: CostModel;
  readonly maxActivations: number;
  readonly numTrials: number;
  readonly seed: number;
}

/** How much slower than the best a program may be and still be changed further; falls to zero over the trials. */
const TOLERANCE_AT_START = 0.01;
const MAX_MOVE = 3;

/**
 * Moves single actions: in front of an idle time, the action that ends it goes back, or the one whose value it
 * waits for comes forward. A little harm is allowed at first, as one move alone seldom helps.
 */
export function improve(start: SearchResult, options: ImproveOptions): SearchResult {
  const { cost, maxActivations, numTrials, seed } = options;
  const random = randomNumbers(seed);
  let best = start;
  let current = start;
  for (let trial = 0; trial < numTrials; trial++) {
    const program = moveOneAction(current, random);
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

type Random = (limit: number) => number;

interface Place {
  readonly rank: number;
  readonly index: number;
}

/** Every computation before which its rank stands idle. */
function findIdleTimes({ timeline, makespan }: Simulation): Place[] {
  return timeline.ranks.flatMap((track, rank) => {
    const places: Place[] = [];
    for (let index = 1; index < track.length; index++) {
      if (track.startsMs[index]! - track.endsMs[index - 1]! > 1e-9 * makespan) places.push({ rank, index });
    }
    return places;
  });
}

function moveOneAction({ program, simulation }: SearchResult, random: Random): Program | undefined {
  const idleTimes = findIdleTimes(simulation);
  const idle = idleTimes[random(Math.max(1, idleTimes.length))];
  if (idle === undefined) return undefined;
  const distance = 1 + random(MAX_MOVE);
  if (random(2) === 0) return move(program, idle, distance);
  const maker = findMaker(program, program.ranks[idle.rank]!.at(idle.index));
  return maker === undefined ? undefined : move(program, maker, -distance);
}

/** The computation on any rank that makes a value which the action needs. */
function findMaker(program: Program, action: Action): Place | undefined {
  const needed = action.kind === "OVERLAP_F_B" ? action.forward : action;
  const isForward = needed.kind === "F";
  const stage = needed.stage + (isForward ? -1 : 1);
  for (const [rank, actions] of program.ranks.entries()) {
    for (const [index, candidate] of [...actions].entries()) {
      const part =
        candidate.kind === "OVERLAP_F_B" ? (isForward ? candidate.forward : candidate.backward) : candidate;
      const isKind = isForward ? part.kind === "F" : part.kind === "I" || part.kind === "B";
      if (isKind && part.stage === stage && part.microBatch === needed.microBatch) return { rank, index };
    }
  }
  return undefined;
}

function move(program: Program, { rank, index }: Place, distance: number): Program {
  const actions: Action[] = [...program.ranks[rank]!];
  const [moved] = actions.splice(index, 1);
  actions.splice(Math.max(0, index + distance), 0, moved!);
  return { ...program, ranks: program.ranks.with(rank, ActionList.from(actions, program.numMicroBatches)) };
}

/** Whole numbers under a limit, from Marsaglia's 32-bit xorshift (Journal of Statistical Software 8/14). */
function randomNumbers(seed: number): Random {
  let state = (seed >>> 0) + 1;
  return (limit) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % limit;
  };
}
