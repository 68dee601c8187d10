import type { PlannedRun } from "../../../schedule/index.ts";
import { MARKS } from "../../plan/marks.ts";
import { gigabytes, percent, seconds } from "../../plan/weigh.ts";

/** The title of a run's schedule. */
export const titleOfRun = ({ schedule }: PlannedRun): string =>
  MARKS.find((mark) => mark.schedule === schedule)?.title ?? schedule;

const counted = (count: number, name: string) => `${count} ${name}${count === 1 ? "" : "s"}`;

/** The sizes of a run in a line. */
export function sizesOfRun({
  numRanks,
  numReplicas,
  numMicroBatches,
  microBatchSize,
  recompute,
  expertParallel = 1,
}: PlannedRun): string {
  return [
    counted(numRanks, "rank"),
    counted(numReplicas, "replica"),
    `${counted(numMicroBatches, "micro-batch").replace("batchs", "batches")} of ${counted(microBatchSize, "sequence")}`,
    ...(expertParallel > 1 ? [`experts over ${expertParallel} devices`] : []),
    ...(recompute ? ["recomputation"] : []),
  ].join(", ");
}

/** A run in a sentence. */
export function describeRun(run: PlannedRun): string {
  return (
    `${titleOfRun(run)}, ${sizesOfRun(run)}: ${seconds(run.stepSeconds)} a step, ${gigabytes(run.peakBytes)}, ` +
    `bubble ${percent(run.bubbleRatio)}`
  );
}
