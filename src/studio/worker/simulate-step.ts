import {
  ActionList,
  buildProgram,
  buildReferenceOrder,
  findSchedule,
  formatProblem,
  lower,
  memoryOverTime,
  type Program,
  type ProgramSizes,
  parseCost,
  parseMemoryModel,
  parseProgramCsv,
  type Simulation,
  simulate,
  verify,
} from "../../schedule/index.ts";
import { parseLink } from "../view/links.ts";
import { costText, memoryText, type StepSettings } from "../view/settings.ts";
import { parseSlowStage, parseStall, slowedCost } from "../view/what-if.ts";
import type { StepAnswer, StepResult } from "./step-result.ts";

/** A step with more computations than this is shown before it is lowered and verified. */
const PREVIEW_FORWARDS = 200_000;

/**
 * Builds, verifies and simulates a step. Answers what is wrong where the settings allow none.
 * @param showPreview Takes a first answer for a large step, simulated without lowering and without its memory.
 */
export function simulateStep(settings: StepSettings, showPreview: (answer: StepAnswer) => void): StepAnswer {
  try {
    let built = programOf(settings);
    const { numStages, numMicroBatches } = built;
    const cost = slowedCost(
      { ...parseCost(costText(settings)), edges: settings.links.map(parseLink) },
      settings.slowStages.map(parseSlowStage),
      numStages,
    );
    const options = { wholeComputations: settings.whole, stalls: settings.stalls.map(parseStall) };
    const isNamed = settings.program === undefined && built.communication === "none";
    if (isNamed && numStages * numMicroBatches > PREVIEW_FORWARDS) {
      const first = simulate(built, cost, { ...options, withoutLowering: true });
      showPreview({ step: resultOf(built, first, settings, false) });
      // The memory of the first program has gone with its picture; building costs less than copying.
      built = programOf(settings);
    }
    // A program by hand is verified first, so that what is found names its own actions.
    const found = settings.program === undefined ? undefined : problemOf(built);
    if (found !== undefined) return found;
    const program = built.communication === "none" ? lower(built) : built;
    const foundLowered = problemOf(program);
    if (foundLowered !== undefined) return foundLowered;
    return { step: resultOf(program, simulate(program, cost, options), settings, true) };
  } catch (error) {
    if (error instanceof Error && "problem" in error) return { problem: String(error.problem) };
    throw error;
  }
}

/** What the verifier finds, if anything. */
function problemOf(program: Program): StepAnswer | undefined {
  const { problems } = verify(program, { sends: "buffered" });
  if (problems.length === 0) return undefined;
  return { problem: formatProblem(program, problems[0]!), problems };
}

/** The sizes; the stages per rank only where the schedule leaves a choice. */
function sizesOf({ schedule, numRanks, numMicroBatches, stagesPerRank }: StepSettings): ProgramSizes {
  const { atLeast, atMost } = findSchedule(schedule).constraints.stagesPerRank;
  const sizes = { numRanks, numMicroBatches };
  return atLeast === atMost ? sizes : { ...sizes, stagesPerRank };
}

/** The program of the settings, with or without its communication. */
function programOf(settings: StepSettings): Program {
  const program = chosenProgram(settings);
  return settings.separatesPairs ? withoutPairs(program) : program;
}

function chosenProgram(settings: StepSettings): Program {
  const { schedule, program, order } = settings;
  if (program !== undefined) return parseProgramCsv(program, schedule);
  const sizes = sizesOf(settings);
  return order === "reference" ? buildReferenceOrder(schedule, sizes) : buildProgram(schedule, sizes);
}

/** The program with each pair as its forward and then its backward. */
function withoutPairs(program: Program): Program {
  const ranks = program.ranks.map((actions) => {
    const separate = [...actions].flatMap((action) =>
      action.kind === "OVERLAP_F_B" ? [action.forward, action.backward] : [action],
    );
    return ActionList.from(separate, program.numMicroBatches);
  });
  return { ...program, ranks };
}

function resultOf(
  program: Program,
  simulation: Simulation,
  settings: StepSettings,
  hasMemory: boolean,
): StepResult {
  const { timeline, ...rest } = simulation;
  const model = parseMemoryModel(memoryText(settings));
  const memory = hasMemory ? memoryOverTime(timeline, program.placement, model) : [];
  const definition = settings.program === undefined ? findSchedule(settings.schedule) : undefined;
  return {
    schedule: program.schedule,
    title: definition?.title ?? program.schedule,
    source: definition?.source ?? "a program of your own",
    numRanks: program.numRanks,
    numStages: program.numStages,
    numMicroBatches: program.numMicroBatches,
    placement: program.placement,
    tracks: timeline.ranks.map(({ actions, startsMs, endsMs }) => {
      const { opcodes, cells, backwardCells } = actions;
      return { opcodes, cells, backwardCells, startsMs, endsMs };
    }),
    ...rest,
    memory: memory.map(({ times, amounts, peak }) => ({
      times: Float64Array.from(times),
      amounts: Float64Array.from(amounts),
      peak,
    })),
  };
}
