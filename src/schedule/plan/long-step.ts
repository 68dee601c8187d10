/*
 * The time and the memory of a step with many micro-batches, from two steps with fewer.
 *
 * A plan has steps of a hundred thousand micro-batches, and simulating each would take minutes. But a schedule is a
 * beginning, a period that repeats, and an end. So two steps are simulated, one with a period more than the other. If
 * all computations of their last three quarters differ by one and the same time, the pipeline is steady: that part
 * computes every value that is still under way at any moment, all times are maxima of sums of earlier ones, and so each
 * further period adds that time again, exactly. Otherwise twice as many micro-batches are tried. Uneven stages need
 * many, because the slowest stage first has to use up the slack of the others. A link that is busy for longer than a
 * period would also shift later times, after its slack; so it counts as not steady.
 *
 * GPipe has no period: it repeats its forwards, then its backwards. Each half is a grid in which a path goes to the
 * next micro-batch or to the next rank. Where the path turns does not depend on the number of micro-batches, so the
 * longest path is linear in it.
 */
import { lower } from "../lower/lower.ts";
import { hasForward, Opcode } from "../program/opcode.ts";
import type { Placement } from "../program/placement.ts";
import { nearestAllowed, type ProgramSizes } from "../program/sizes.ts";
import type { ScheduleDefinition } from "../schedules/definition.ts";
import { type CostModel, stageCosts } from "../simulate/cost.ts";
import { simulate } from "../simulate/simulate.ts";
import type { Timeline, TimelineTrack } from "../simulate/timeline.ts";
import { peakActivationBytes } from "./activation-bytes.ts";
import type { StageShape } from "./model-cost.ts";

/** What a step takes. */
export interface StepFigures {
  readonly seconds: number;
  /** The mean over the ranks of the time that they compute. */
  readonly busySeconds: number;
  /** The most activations that each rank holds. */
  readonly activationBytes: readonly number[];
}

interface SimulatedStep extends StepFigures {
  readonly timeline: Timeline;
}

/** Micro-batches per rank of the first step that is simulated; the longest beginning and end have three. */
const FIRST_PER_RANK = 8;
/** As a share of the time of a step, since sums of many times differ by rounding. */
const TOLERANCE = 1e-9;

/** The figures of a schedule's step. */
export function figuresOfStep(
  definition: ScheduleDefinition,
  sizes: ProgramSizes,
  cost: CostModel,
  stages: readonly StageShape[],
): StepFigures {
  const { numRanks, numMicroBatches } = sizes;
  const rule = definition.constraints.microBatches;
  const run = (count: number): SimulatedStep => {
    const program = definition.generate({ ...sizes, numMicroBatches: count });
    const { timeline, makespan, work } = simulate(lower(program), cost);
    const busySeconds = work.reduce((sum, time) => sum + time, 0) / work.length;
    const activationBytes = peakActivationBytes(program, stages);
    return { timeline, seconds: makespan, busySeconds, activationBytes };
  };
  const step = nearestAllowed(rule, numMicroBatches + 1, numRanks) - numMicroBatches;
  const placement = definition.placement(sizes);
  const transferSeconds = (step / placement.rankOfStage.length) * transferSecondsOf(placement, cost);
  for (let perRank = FIRST_PER_RANK; ; perRank *= 2) {
    const fewer = numMicroBatches - step * Math.floor((numMicroBatches - perRank * numRanks) / step);
    if (fewer + 3 * step >= numMicroBatches) return run(numMicroBatches);
    const first = run(fewer);
    if (hasForwardsFirst(first.timeline)) {
      const [second, third] = [run(fewer + step), run(fewer + 2 * step)];
      if (isClose(third.seconds - second.seconds, second.seconds - first.seconds, third.seconds))
        return extended(first, second, (numMicroBatches - fewer) / step);
      continue;
    }
    const numSteps = stepsOfPeriod(first.timeline, step / placement.rankOfStage.length);
    if (numSteps === undefined) continue;
    // So many that the rest is a whole number of periods.
    const small =
      numMicroBatches - numSteps * step * Math.floor((numMicroBatches - fewer) / (numSteps * step));
    if (small + numSteps * step >= numMicroBatches) return run(numMicroBatches);
    const [a, b] = [small === fewer ? first : run(small), run(small + numSteps * step)];
    const numPeriods = (numMicroBatches - small) / (numSteps * step);
    if (isSteady(a, b, numSteps * transferSeconds)) return extended(a, b, numPeriods);
  }
}

/**
 * After how many steps in the number of micro-batches the forwards of the first rank repeat their times. It is more
 * than one where a round trip of several micro-batches sets the pace, as with slow links.
 * @param numForwards Of a stage, that a step adds.
 */
function stepsOfPeriod({ ranks }: Timeline, numForwards: number): number | undefined {
  const { actions, endsMs } = ranks[0]!;
  const ends: number[] = [];
  const stage = actions.stageOf(actions.cells[0]!);
  for (let index = 0; index < actions.length; index++)
    if (hasForward(actions.opcodes[index]!) && actions.stageOf(actions.cells[index]!) === stage)
      ends.push(endsMs[index]!);
  const [from, to] = [Math.floor(ends.length * 0.375), Math.floor(ends.length * 0.875)];
  const repeats = (length: number) => {
    const period = ends[from + length]! - ends[from]!;
    for (let index = from; index + length < to; index++)
      if (!isClose(ends[index + length]! - ends[index]!, period, ends[to - 1]!)) return false;
    return true;
  };
  for (let steps = 1; 2 * steps * numForwards <= to - from; steps++)
    if (repeats(steps * numForwards)) return steps;
  return undefined;
}

/** The longest that a channel between two ranks is busy for one micro-batch of its direction. */
function transferSecondsOf({ rankOfStage }: Placement, cost: CostModel): number {
  const { bandwidth = Infinity } = cost.link;
  const busy = new Map<string, number>([["none", 0]]);
  for (const ranks of rankOfStage) {
    const { bytes } = stageCosts(cost, ranks.length);
    for (let stage = 0; stage + 1 < ranks.length; stage++) {
      const edge = `${ranks[stage]} to ${ranks[stage + 1]}`;
      // The gradient comes back on a channel of its own.
      busy.set(edge, (busy.get(edge) ?? 0) + bytes[stage]! / bandwidth);
    }
  }
  return Math.max(...busy.values());
}

function extended(small: StepFigures, large: StepFigures, numPeriods: number): StepFigures {
  const extend = (from: number, to: number) => from + numPeriods * (to - from);
  return {
    seconds: extend(small.seconds, large.seconds),
    busySeconds: extend(small.busySeconds, large.busySeconds),
    activationBytes: small.activationBytes.map((bytes, rank) => extend(bytes, large.activationBytes[rank]!)),
  };
}

function isClose(a: number, b: number, scale: number): boolean {
  return Math.abs(a - b) <= TOLERANCE * scale;
}

function isSteady(small: SimulatedStep, large: SimulatedStep, transferSeconds: number): boolean {
  const period = large.seconds - small.seconds;
  if (transferSeconds > period + TOLERANCE * large.seconds) return false;
  return small.timeline.ranks.every((track, rank) => {
    const other = large.timeline.ranks[rank]!;
    for (let back = 1; back <= 0.75 * track.length; back++) {
      const [index, shifted] = [track.length - back, other.length - back];
      if (!isSameComputation(track, index, other, shifted)) return false;
      if (!isClose(other.endsMs[shifted]! - track.endsMs[index]!, period, large.seconds)) return false;
    }
    return true;
  });
}

/** Whether two computations differ only in their micro-batches. */
function isSameComputation(a: TimelineTrack, index: number, b: TimelineTrack, other: number): boolean {
  const opcode = a.actions.opcodes[index];
  if (opcode !== b.actions.opcodes[other]) return false;
  const stageOf = ({ actions }: TimelineTrack, cell: number) => actions.stageOf(cell);
  if (stageOf(a, a.actions.cells[index]!) !== stageOf(b, b.actions.cells[other]!)) return false;
  if (opcode !== Opcode.OVERLAP_F_B) return true;
  return stageOf(a, a.actions.backwardCellAt(index)) === stageOf(b, b.actions.backwardCellAt(other));
}

function hasForwardsFirst({ ranks }: Timeline): boolean {
  return ranks.every(({ actions: { opcodes, length } }) => {
    const isForward = (index: number) => opcodes[index] === Opcode.F;
    let index = 0;
    while (index < length && isForward(index)) index++;
    while (index < length && !hasForward(opcodes[index]!)) index++;
    return index === length;
  });
}
