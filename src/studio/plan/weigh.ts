/*
 * "DualPipe or interleaved?", in words and numbers: the fastest run of each that fits, and where a schedule holds every
 * parameter twice, what its second copies cost in memory and in the all-reduce, and what they buy in idle time.
 */
import { findSchedule, type PlannedRun } from "../../schedule/index.ts";
import { secondCopyBytes } from "../../schedule/plan/candidate.ts";
import { byTime } from "./scatter.ts";

/** A schedule with the run that speaks for it. */
export interface Contender {
  readonly schedule: string;
  readonly title: string;
  readonly run: PlannedRun;
  readonly fits: boolean;
  /** Copies of each parameter in one pipeline. */
  readonly numCopies: number;
  /** What its second copies take on the fullest rank. */
  readonly secondCopyBytes: number;
}

/** The fastest run of a schedule that fits, or the one that needs the least memory; undefined where there is none. */
export function contenderOf(
  schedule: string,
  candidates: readonly PlannedRun[],
  memoryBytes: number,
): Contender | undefined {
  const own = candidates.filter((run) => run.schedule === schedule);
  const fastest = own.filter(({ peakBytes }) => peakBytes <= memoryBytes).toSorted(byTime)[0];
  const run = fastest ?? own.toSorted((a, b) => a.peakBytes - b.peakBytes)[0];
  if (run === undefined) return undefined;
  const { title, placement } = findSchedule(schedule);
  const numCopies = placement(run).rankOfStage.length;
  return {
    ...{ schedule, title, run, numCopies },
    fits: fastest !== undefined,
    secondCopyBytes: secondCopyBytes(run, numCopies),
  };
}

export const gigabytes = (bytes: number): string => `${(bytes / 1e9).toPrecision(3)} GB`;
export const seconds = (time: number): string =>
  time < 1 ? `${Number((1000 * time).toPrecision(4))} ms` : `${Number(time.toPrecision(4))} s`;
export const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

/** Times that differ by less are the same, for a model that is off by percents. */
const SAME_SHARE = 0.005;
/** The schedules that run forwards and backwards as overlapped pairs. */
const PAIRED = ["dualpipe", "dualpipev"];

/**
 * The answer in a few sentences.
 * @param pairShare The time of a pair that the plan counts with, as a share of its F + B.
 */
export function verdictOf(first: Contender, second: Contender, pairShare: number): string[] {
  const sentences = [whichOne(first, second)];
  for (const [own, other] of [
    [first, second],
    [second, first],
  ] as const)
    if (own.numCopies > 1 && other.numCopies === 1) sentences.push(...whatCopiesCost(own, other));
  const paired = [first, second].filter(({ schedule }) => PAIRED.includes(schedule));
  if (paired.length > 0 && pairShare === 1)
    sentences.push(
      `What pairs hide is not counted: their forward and backward take as long as one after the other. Where ` +
        `${paired.map(({ title }) => title).join(" and ")} would hide communication, such as between experts, lower the pair share.`,
    );
  return sentences;
}

function whichOne(first: Contender, second: Contender): string {
  const unfit = [first, second].filter(({ fits }) => !fits);
  if (unfit.length === 2)
    return `Neither: ${unfit.map(({ title, run }) => `${title} needs at least ${gigabytes(run.peakBytes)}`).join(", ")}.`;
  if (unfit.length === 1) {
    const winner = unfit[0] === first ? second : first;
    return `${winner.title}: ${unfit[0]!.title} does not fit, it needs at least ${gigabytes(unfit[0]!.run.peakBytes)}.`;
  }
  const [fast, slow] = first.run.stepSeconds <= second.run.stepSeconds ? [first, second] : [second, first];
  const times = `${seconds(fast.run.stepSeconds)} against ${seconds(slow.run.stepSeconds)} a step`;
  const saved = 1 - fast.run.stepSeconds / slow.run.stepSeconds;
  const memory = fast.run.peakBytes / slow.run.peakBytes - 1;
  const memoryText = `${gigabytes(fast.run.peakBytes)} against ${gigabytes(slow.run.peakBytes)}`;
  if (saved >= SAME_SHARE) return `${fast.title}: ${percent(saved)} less time, ${times}, with ${memoryText}.`;
  const leaner = memory < 0 ? fast : slow;
  return (
    `Either takes as long, within half a percent (${times}); ${leaner.title} needs less memory, ` +
    `${gigabytes(leaner.run.peakBytes)} against ${gigabytes((leaner === fast ? slow : fast).run.peakBytes)}.`
  );
}

function whatCopiesCost(own: Contender, other: Contender): string[] {
  const { run } = own;
  const bubble = other.run.bubbleRatio - run.bubbleRatio;
  const reduce = run.allReduceSeconds - other.run.allReduceSeconds;
  const bought =
    bubble > 5e-4
      ? `buy a bubble of ${percent(run.bubbleRatio)} instead of ${percent(other.run.bubbleRatio)}`
      : `buy no smaller bubble here: ${percent(run.bubbleRatio)}, and ${percent(other.run.bubbleRatio)} without them`;
  return [
    `The second copy of every parameter costs ${own.title} ${gigabytes(own.secondCopyBytes)} of weights and ` +
      `gradients on its fullest rank (the optimizer's state is shared out among the copies), and its all-reduce takes ` +
      `${seconds(run.allReduceSeconds)}, ${seconds(Math.abs(reduce))} ${reduce >= 0 ? "more" : "less"} than that of ` +
      `${other.title}. The copies ${bought}.`,
  ];
}
