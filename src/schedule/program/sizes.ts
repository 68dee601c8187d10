import { counted } from "../../errors/counted.ts";
import { ScheduleError } from "./schedule-error.ts";

/** The sizes of one step. */
export interface ProgramSizes {
  readonly numRanks: number;
  readonly numMicroBatches: number;
  /** The number of stages on each rank; only interleaved schedules have a choice. */
  readonly stagesPerRank?: number | undefined;
  /** Forwards that each rank of an interleaved schedule runs ahead, in addition to its own; 0 unless given. */
  readonly extraWarmUps?: number | undefined;
  readonly forwardOnly?: boolean | undefined;
}

/** A rule for a count; absent parts do not restrict it. */
export interface SizeRule {
  readonly atLeast: number;
  readonly atLeastTimesRanks?: number;
  readonly multipleOf?: number;
  readonly multipleOfRanks?: boolean;
  readonly atMost?: number;
}

/** The sizes that a schedule allows, as data for checks, forms and the planner. */
export interface SizeConstraints {
  readonly ranks: SizeRule;
  readonly microBatches: SizeRule;
  readonly stagesPerRank: SizeRule;
  /** Whether ranks can run more forwards ahead than the schedule asks for. */
  readonly extraWarmUps?: true;
}

/** A limit on the forwards of all stages and micro-batches, because programs are built in memory. */
const MAX_FORWARDS = 2 ** 27;

const MAX_RANKS = 2 ** 16;

function ruleInWords(rule: SizeRule): string {
  const words: string[] = [];
  if (rule.multipleOf === 2) words.push("even");
  else if (rule.multipleOf !== undefined) words.push(`a multiple of ${rule.multipleOf}`);
  if (rule.multipleOfRanks) words.push("a multiple of the ranks");
  if (rule.atLeast === rule.atMost) return [...words, `${rule.atLeast}`].join(" and ");
  if (rule.atLeastTimesRanks === undefined) words.push(`at least ${rule.atLeast}`);
  else words.push(`at least ${rule.atLeastTimesRanks === 1 ? "the" : `${rule.atLeastTimesRanks} x`} ranks`);
  if (rule.atMost !== undefined) words.push(`at most ${rule.atMost}`);
  return words.join(" and ");
}

/** The smallest count from `count` up that the rule allows, or the largest under it when there is none. */
export function nearestAllowed(rule: SizeRule, count: number, numRanks: number): number {
  const step = (rule.multipleOf ?? 1) * (rule.multipleOfRanks ? numRanks : 1);
  const least = Math.max(rule.atLeast, (rule.atLeastTimesRanks ?? 0) * numRanks);
  const wanted = Math.max(least, Number.isFinite(count) ? count : least);
  const above = Math.ceil(wanted / step) * step;
  return rule.atMost === undefined || above <= rule.atMost ? above : Math.floor(rule.atMost / step) * step;
}

function countProblem(
  subject: string,
  rule: SizeRule,
  count: number,
  numRanks: number | undefined,
): string | undefined {
  const nearest = nearestAllowed(rule, count, numRanks ?? 1);
  if (Number.isSafeInteger(count) && count === nearest) return undefined;
  const given = numRanks === undefined ? `${count}` : `${count} with ${counted(numRanks, "rank")}`;
  return `${subject} must be ${ruleInWords(rule)}; got ${given}; use ${nearest}`;
}

/** What is wrong with the sizes, if anything: the rule, the values and the nearest size that works. */
export function sizeProblem(constraints: SizeConstraints, sizes: ProgramSizes): string | undefined {
  const { numRanks, numMicroBatches, stagesPerRank = constraints.stagesPerRank.atLeast } = sizes;
  const problem =
    countProblem("ranks", constraints.ranks, numRanks, undefined) ??
    countProblem("micro-batches", constraints.microBatches, numMicroBatches, numRanks) ??
    countProblem("stages per rank", constraints.stagesPerRank, stagesPerRank, numRanks);
  if (problem !== undefined) return problem;
  const { extraWarmUps = 0 } = sizes;
  if (
    !Number.isSafeInteger(extraWarmUps) ||
    extraWarmUps < 0 ||
    (extraWarmUps > 0 && !constraints.extraWarmUps)
  )
    return (
      `extra warm-ups must be ${constraints.extraWarmUps ? "a whole number of at least 0" : "0"}; got ${extraWarmUps}; ` +
      (constraints.extraWarmUps ? "use 1" : "only interleaved schedules have them")
    );
  const numForwards = numRanks * numMicroBatches * stagesPerRank;
  if (numForwards <= MAX_FORWARDS && numRanks <= MAX_RANKS) return undefined;
  return (
    `a program must have at most ${MAX_RANKS} ranks and ${MAX_FORWARDS} forwards over all stages; ` +
    `got ${numRanks} and ${numForwards}; use fewer`
  );
}

/**
 * Checks the sizes against the constraints of a schedule.
 * @param title The schedule's title, which the message starts with.
 * @throws ScheduleError `INVALID_SIZES` with the rule, the values and the nearest size that works
 */
export function checkSizes(title: string, constraints: SizeConstraints, sizes: ProgramSizes): void {
  const problem = sizeProblem(constraints, sizes);
  if (problem !== undefined) throw new ScheduleError("INVALID_SIZES", `${title}: ${problem}`);
}
