import {
  formatProgramCsv,
  makespanOf,
  memoryOverTime,
  parseProgramCsv,
  peakActivations,
  type Timeline,
} from "../../schedule/index.ts";
import { bubbleCauses } from "../../schedule/simulate/bubble-causes.ts";
import { idleTimeOf } from "../../schedule/simulate/idle-time.ts";
import type { StepResult } from "./step-result.ts";

/** A measured timeline with the numbers that the simulator gives for a planned one. */
export function resultOfTimeline(timeline: Timeline): StepResult {
  const ranks = timeline.ranks.map(({ actions }) => actions);
  // A timeline has no placement; what reads programs finds it in the forwards.
  const program = parseProgramCsv(formatProgramCsv({ ranks }), timeline.schedule);
  const makespan = makespanOf(timeline);
  const idle = idleTimeOf(timeline);
  const work = idle.map((rank) => rank.work);
  const bubble = work.map((busy) => makespan - busy);
  const total = makespan * work.length;
  return {
    schedule: timeline.schedule,
    title: timeline.schedule,
    source: "measured",
    numRanks: program.numRanks,
    numStages: program.numStages,
    numMicroBatches: program.numMicroBatches,
    placement: program.placement,
    tracks: timeline.ranks.map(({ actions: { opcodes, cells, backwardCells }, startsMs, endsMs }) => ({
      ...{ opcodes, cells, backwardCells, startsMs, endsMs },
    })),
    makespan,
    work,
    bubble,
    bubbleRatio: total > 0 ? bubble.reduce((sum, time) => sum + time, 0) / total : 0,
    bubbleCauses: bubbleCauses(idle, makespan),
    peakActivations: peakActivations(program),
    memory: memoryOverTime(timeline, program.placement, { weights: 0, activations: 1 }).map(
      ({ times, amounts, peak }) => ({
        times: Float64Array.from(times),
        amounts: Float64Array.from(amounts),
        peak,
      }),
    ),
  };
}
