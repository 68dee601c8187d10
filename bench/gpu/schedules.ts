// `npm run bench -- schedules`: every schedule on 2, 4 and 8 cards, as far as the machine has them, next to its
// simulation and to the schedules of other programs.
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { type Communication, communicationOf, Runtime, timelineOf } from "../../src/index.ts";
import {
  buildProgram,
  costOf,
  lower,
  makespanOf,
  type Profile,
  type Program,
  profileOf,
  ScheduleError,
  simulate,
  type Timeline,
  timelineSvg,
} from "../../src/schedule/index.ts";
import { stepTimesMs } from "../step-spans.ts";
import { costOfStages } from "./block-costs.ts";
import { compareSteps, type StepComparison } from "./compare-steps.ts";
import { formatScheduleReport, type ScheduleReport, type ScheduleResult } from "./report.ts";
import {
  checkReferenceCheckout,
  GPU_OPTIONS,
  GPU_OPTIONS_USAGE,
  measurePeers,
  type PeerOptions,
  runWorkload,
} from "./run-workload.ts";
import type { GpuMeasurement } from "./step-rank.ts";
import { type GpuWorkload, largeGpt, nameOf, workloadsOfSchedules } from "./workload.ts";

const USAGE = `npm run bench -- schedules [options]      every schedule on 2, 4 and 8 cards
${GPU_OPTIONS_USAGE}
  --cards NUMBERS   how many cards to use, such as 2,4 (default: 2,4,8, as far as the machine has them)
  --micro-batches NUMBERS   leave out workloads with other numbers of micro-batches
  --svg FOLDER      draw the largest step of DualPipe there, as measured and as simulated`;

/** DualPipe comes first: the costs that it measures predict the others. */
const SCHEDULES = ["dualpipe", "dualpipev", "1f1b", "zb1p", "zbv", "interleaved"] as const;

/** Peer copies of 16 to 256 MB between two H100 over NVLink: 276 to 386 GB/s. Bytes per ms. */
const LINK = { latency: 0.01, bandwidth: 350e6 };

interface Options extends PeerOptions {
  readonly json: string | undefined;
  readonly svg: string | undefined;
  readonly cards: readonly number[];
  /** The numbers of micro-batches of the workloads to measure; all unless given. */
  readonly microBatches: readonly number[] | undefined;
}

/** Runs the benchmark. @returns The exit status. */
export async function main(args: readonly string[]): Promise<number> {
  let options: Options;
  try {
    options = parseOptions(args);
  } catch (error) {
    console.error(`${(error as Error).message}\n${USAGE}`);
    return 2;
  }
  const { addon } = Runtime.load();
  const numCards = addon.cuda?.numCards() ?? 0;
  if (addon.cuda === null || numCards < 2) {
    console.error(`dualpipe: skipped: this benchmark needs 2 cards; found ${numCards}`);
    return 0;
  }
  const { runtime: cuda, driver, nccl } = addon.cuda.versions();
  const results: ScheduleResult[] = [];
  const steps: StepComparison[] = [];
  const report: ScheduleReport = {
    date: new Date().toISOString().slice(0, 10),
    cards: addon.cuda.cards().map(({ name }) => name),
    versions: { libtorch: addon.libtorchVersion, cuda, driver, nccl, node: process.versions.node },
    results,
    steps,
  };
  // After each part, because a failure or a time limit must not cost the figures before it.
  const save = () => {
    if (options.json !== undefined) write(options.json, `${JSON.stringify(report, undefined, 2)}\n`);
  };
  for (const numRanks of options.cards.filter((each) => each <= numCards)) {
    const all = [...workloadsOfSchedules(numRanks), ...(numRanks >= 4 ? [largeGpt(numRanks)] : [])];
    const { microBatches } = options;
    const workloads = all.filter((each) => microBatches?.includes(each.numMicroBatches) ?? true);
    for (const row of measurePeers(options, workloads, numRanks)) results.push({ ...row, numRanks });
    save();
    for (const workload of workloads) {
      const { rows, step } = await measureSchedules(workload, numRanks, options.svg);
      results.push(...rows);
      steps.push(step);
      save();
    }
  }
  console.log(formatScheduleReport(report));
  return 0;
}

function parseOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...GPU_OPTIONS,
      svg: { type: "string" },
      cards: { type: "string", default: "2,4,8" },
      "micro-batches": { type: "string" },
    },
  });
  const { reference, json, peers, python, svg, cards } = values;
  const options = {
    reference,
    json,
    peers,
    python,
    svg,
    cards: cards.split(",").map(Number),
    microBatches: values["micro-batches"]?.split(",").map(Number),
  };
  checkReferenceCheckout(options);
  return options;
}

async function measureSchedules(
  workload: GpuWorkload,
  numRanks: number,
  svg: string | undefined,
): Promise<{ rows: ScheduleResult[]; step: StepComparison }> {
  const { numMicroBatches } = workload;
  const rows: ScheduleResult[] = [];
  let profile: Profile | undefined;
  let step: StepComparison | undefined;
  for (const schedule of SCHEDULES.filter((each) => existsFor(each, numRanks, numMicroBatches))) {
    const program = buildProgram(schedule, { numRanks, numMicroBatches });
    const common = { ...workload, schedule, shardUpdates: false };
    const row = (variant: string, ranks: readonly GpuMeasurement[]): ScheduleResult => ({
      workload: nameOf(workload),
      numRanks,
      program: `dualpipe (TypeScript), ${schedule}${variant}`,
      ...summaryOf(ranks),
    });
    console.error(`dualpipe: ${nameOf(workload)}, ${numRanks} cards, ${schedule}`);
    const ranks = await runWorkload({ ...common, useGraphs: false, isRecorded: true }, numRanks);
    const measured = medianTimeline(program, ranks);
    // The head of a GPT is no block like the others, so there only the schedule's own costs say what a stage takes.
    const isBlocks = workload.model === "mlp";
    if (profile === undefined || !isBlocks) profile = profileOfStep(measured, program, workload);
    const numBlocks = workload.numLayersPerCard * numRanks;
    const cost = isBlocks ? costOfStages(profile, numBlocks, program.numStages) : costOf(profile);
    const simulated = simulate(lower(program), cost).timeline;
    rows.push({
      ...row("", ranks),
      bubble: bubbleOf(measured),
      communication: communicationOfRanks(ranks),
      firstToLastMs: makespanOf(measured),
      predictedMs: makespanOf(simulated),
    });
    if (step === undefined) {
      step = compareSteps(measured, simulated, `${numRanks} cards, ${nameOf(workload)}`);
      if (svg !== undefined && isBlocks) draw(svg, `${numRanks}x${numMicroBatches}`, measured, simulated);
    }
    if (!isBlocks) continue;
    rows.push(row(", one graph", await runWorkload({ ...common, useGraphs: true }, numRanks)));
    // A process takes seconds to start, so only one size is measured in them.
    if (numMicroBatches !== 20) continue;
    rows.push(row(", NCCL", await runWorkload({ ...common, useGraphs: false }, numRanks, "nccl")));
  }
  return { rows, step: step! };
}

/** The step of median length among those that were recorded. */
function medianTimeline({ schedule, numMicroBatches }: Program, ranks: readonly GpuMeasurement[]): Timeline {
  const timelines = ranks[0]!.tracks.map((_, i) =>
    timelineOf(
      schedule,
      numMicroBatches,
      ranks.map(({ tracks }) => tracks[i]!),
    ),
  );
  return timelines.sort((a, b) => makespanOf(a) - makespanOf(b))[timelines.length >> 1]!;
}

function profileOfStep(timeline: Timeline, program: Program, workload: GpuWorkload): Profile {
  const { schedule, numStages, numMicroBatches, ranks } = program;
  const sizes = { schedule, numRanks: ranks.length, numStages, numMicroBatches };
  return profileOf(
    [timeline],
    { ...sizes, stepMs: makespanOf(timeline), link: LINK },
    activationBytesOf(workload),
  );
}

function existsFor(schedule: string, numRanks: number, numMicroBatches: number): boolean {
  try {
    buildProgram(schedule, { numRanks, numMicroBatches });
    return true;
  } catch (error) {
    if (error instanceof ScheduleError) return false;
    throw error;
  }
}

function summaryOf(
  ranks: readonly GpuMeasurement[],
): Pick<ScheduleResult, "medianMs" | "peakBytes" | "losses"> {
  const times = stepTimesMs(ranks.map(({ spans }) => spans)).sort((a, b) => a - b);
  return {
    medianMs: times[Math.floor(times.length / 2)]!,
    peakBytes: Math.max(...ranks.map(({ peakBytes }) => peakBytes)),
    losses: ranks.map(({ losses }) => losses),
  };
}

/** The sum over the ranks, in the median step of each. */
function communicationOfRanks(ranks: readonly GpuMeasurement[]): Communication {
  const sum = { communicationMs: 0, exposedMs: 0, beforeFirstMs: 0, afterLastMs: 0 };
  for (const { tracks } of ranks) {
    const steps = tracks.map(communicationOf).sort((a, b) => a.exposedMs - b.exposedMs);
    const median = steps[steps.length >> 1]!;
    for (const name of Object.keys(sum) as (keyof Communication)[]) sum[name] += median[name];
  }
  return sum;
}

/** The share of all cards' time, from the first computation to the end of the last, without a computation. */
function bubbleOf(timeline: Timeline): number {
  let workMs = 0;
  for (const track of timeline.ranks) for (const { startMs, endMs } of track) workMs += endMs - startMs;
  return 1 - workMs / (makespanOf(timeline) * timeline.ranks.length);
}

/** What a micro-batch takes between two stages. */
function activationBytesOf({ hidden, sequence, microBatchSize, dtype }: GpuWorkload): number {
  return hidden * sequence * microBatchSize * (dtype === "float32" ? 4 : 2);
}

function draw(folder: string, size: string, measured: Timeline, simulated: Timeline): void {
  write(join(folder, `dualpipe-${size}-measured.svg`), timelineSvg(measured));
  write(join(folder, `dualpipe-${size}-simulated.svg`), timelineSvg(simulated));
}

function write(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}
