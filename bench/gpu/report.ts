import type { Communication } from "../../src/index.ts";
import type { IdleTime, StepComparison } from "./compare-steps.ts";
import { largeGpt, nameOf, sizeOfStep } from "./workload.ts";

/** One program's time for a step of one workload. */
export interface GpuResult {
  readonly workload: string;
  readonly program: string;
  readonly medianMs: number;
  /** Memory of the card that had the most. */
  readonly peakBytes: number;
  /** For our own program: how long a step took the host, and how often it waited for the card. */
  readonly launchMs?: number;
  readonly numSynchronizations?: number;
}

/** Everything that one run measured, as `--json` writes it. */
export interface GpuReport {
  readonly date: string;
  readonly cards: readonly string[];
  readonly versions: Readonly<Record<string, string | null>>;
  readonly results: readonly GpuResult[];
}

/** The table of a run, in Markdown: a row for each program, a column for each workload. */
export function formatGpuReport({ date, cards, versions, results }: GpuReport): string {
  const workloads = [...new Set(results.map(({ workload }) => workload))];
  const programs = [...new Set(results.map(({ program }) => program))];
  const cell = (program: string, workload: string): string => {
    const result = results.find((each) => each.program === program && each.workload === workload);
    return result ? `${result.medianMs.toFixed(2)} / ${(result.peakBytes / 1e9).toFixed(2)}` : "";
  };
  const rows = [
    ["median ms of a step / peak GB", ...workloads],
    ["---", ...workloads.map(() => "---")],
    ...programs.map((program) => [program, ...workloads.map((workload) => cell(program, workload))]),
  ];
  const on = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const host = results
    .filter(({ launchMs }) => launchMs !== undefined)
    .map(
      ({ program, workload, launchMs, numSynchronizations }) =>
        `${program}, ${workload}: the host takes ${launchMs!.toFixed(2)} ms to launch a step, and waits ${numSynchronizations} times`,
    );
  return [
    `${date}, ${cards.length} cards: ${[...new Set(cards)].join(", ")}; ${on.join(", ")}.`,
    rows.map((row) => `| ${row.join(" | ")} |`).join("\n"),
    ...host,
  ].join("\n\n");
}

/** One schedule's step of one workload on some cards. */
export interface ScheduleResult extends GpuResult {
  readonly numRanks: number;
  /** The share of the cards' time without a computation, and the time from the first to the end of the last. */
  readonly bubble?: number;
  readonly firstToLastMs?: number;
  /** Copies between cards, summed over the ranks. */
  readonly communication?: Communication;
  /** What the simulator says, from the costs of DualPipe's blocks. */
  readonly predictedMs?: number;
  /** The losses of the last step, for each rank. */
  readonly losses?: readonly (readonly number[])[];
}

export interface ScheduleReport extends Omit<GpuReport, "results"> {
  readonly results: readonly ScheduleResult[];
  readonly steps: readonly StepComparison[];
}

/** A table for each number of cards, the prediction of each schedule, and the idle time of DualPipe's cards. */
export function formatScheduleReport(report: ScheduleReport): string {
  const { results, steps } = report;
  const sizes = [...new Set(results.map(({ numRanks }) => numRanks))];
  return [
    ...sizes.flatMap((numRanks) => [
      `### ${numRanks} cards`,
      formatGpuReport({ ...report, results: results.filter((each) => each.numRanks === numRanks) }),
    ]),
    ...sizes.flatMap((numRanks) => utilizationLines(results, numRanks)),
    "### Bubble and prediction",
    predictionTable(results),
    "### Copies between cards, summed over the ranks",
    communicationTable(results),
    ...steps.flatMap(stepTable),
  ].join("\n\n");
}

/** Operations per second that an H100 or H200 can do in bfloat16. */
const PEAK_FLOPS = 989e12;

function utilizationLines(results: readonly ScheduleResult[], numRanks: number): string[] {
  const { numTokens, flops } = sizeOfStep(largeGpt(numRanks), numRanks);
  return results
    .filter((each) => each.numRanks === numRanks && each.workload === nameOf(largeGpt(numRanks)))
    .map(({ program, medianMs }) => {
      const tokensPerSecond = (1000 * numTokens) / medianMs;
      const mfu = (1000 * flops) / (medianMs * numRanks * PEAK_FLOPS);
      return `GPT, ${numRanks} cards, ${program}: ${tokensPerSecond.toFixed(0)} tokens/s, MFU ${(100 * mfu).toFixed(1)} %`;
    });
}

function predictionTable(results: readonly ScheduleResult[]): string {
  const rows = results.flatMap(({ numRanks, workload, program, bubble, firstToLastMs, predictedMs }) => {
    if (bubble === undefined || firstToLastMs === undefined || predictedMs === undefined) return [];
    const off = 100 * (predictedMs / firstToLastMs - 1);
    const figures = [
      `${(100 * bubble).toFixed(1)} %`,
      firstToLastMs.toFixed(1),
      predictedMs.toFixed(1),
      `${off.toFixed(1)} %`,
    ];
    return [[numRanks, workload, program, ...figures]];
  });
  const head = ["cards", "workload", "program", "bubble", "measured ms", "predicted ms", "off by"];
  return [head, head.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n");
}

function communicationTable(results: readonly ScheduleResult[]): string {
  const rows = results.flatMap(({ numRanks, workload, program, communication }) => {
    if (communication === undefined) return [];
    const { communicationMs, exposedMs, beforeFirstMs, afterLastMs } = communication;
    const between = exposedMs - beforeFirstMs - afterLastMs;
    const hidden = 1 - between / (communicationMs - beforeFirstMs - afterLastMs);
    const figures = [communicationMs, beforeFirstMs, between, afterLastMs].map((ms) => ms.toFixed(2));
    return [[numRanks, workload, program, ...figures, `${(100 * hidden).toFixed(1)} %`]];
  });
  const exposed = ["before the first computation", "between", "after the last"];
  const head = ["cards", "workload", "program", "all ms", ...exposed, "hidden between"];
  return [head, head.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n");
}

function stepTable({ step, measuredMs, simulatedMs, hasSameOrder, ...idle }: StepComparison): string[] {
  const cells = ({ beforeFirst, between, afterLast }: IdleTime) =>
    [beforeFirst, between, afterLast].map((ms) => ms.toFixed(2)).join(" / ");
  const rows = idle.measuredIdle.map((measured, rank) => [
    rank,
    cells(measured),
    cells(idle.simulatedIdle[rank]!),
  ]);
  const head = ["rank", "measured idle ms: before / between / after", "simulated"];
  return [
    `DualPipe's step, ${step}: ${measuredMs.toFixed(1)} ms measured, ${simulatedMs.toFixed(1)} ms simulated; ` +
      `the order of every rank is ${hasSameOrder ? "that of the program" : "another than the program's"}.`,
    [head, head.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n"),
  ];
}
