/**
 * `dualpipe plan`: two ways to ask for the best schedule.
 *
 * Before a run there are only data sheets: a model's config, the peak of a device, the bandwidth of a link. The plan
 * then predicts every cost, and chooses schedule, ranks, replicas and micro-batch size. After
 * `dualpipe train --profile` there are measured costs of this very model, and the number of ranks is settled; the plan
 * then only compares schedules, and first says how far off its prediction of the measured step is, so that the reader
 * knows how far to trust the rest.
 *
 * Data sheets give TFLOP/s, GB and microseconds; the planner computes in operations, bytes and seconds. `requestOf` is
 * the only place that converts. `--json` prints the plan itself, so a program reads the same numbers as a person.
 */
import { Command, InvalidArgumentError, Option } from "commander";
import pc from "picocolors";
import { counted } from "../../errors/counted.ts";
import { readTextFile, writeTextFile } from "../../files/text-file.ts";
import {
  calibrate,
  type DeviceShape,
  formatProgramCsv,
  type MeasuredPlan,
  type ModelShape,
  type Plan,
  type PlannedRun,
  type PlanRequest,
  type Program,
  parseModelConfig,
  parseProfile,
  plan,
  planFromProfile,
  ScheduleError,
} from "../../schedule/index.ts";
import { asUsage, UsageError, wholeNumber } from "../usage.ts";
import { table } from "./output.ts";

interface PlanOptions {
  readonly model?: string;
  readonly profile?: string;
  readonly devices?: number;
  readonly batch?: number;
  readonly microBatches?: number;
  readonly sequence: number;
  readonly memory: number;
  readonly tflops: number;
  readonly efficiency: number;
  readonly halfRows: number;
  readonly calibrate?: readonly string[];
  readonly latency: number;
  readonly bandwidth: number;
  readonly allReduce: number;
  readonly pairShare: number;
  readonly write?: string;
  readonly json?: true;
}

function positiveNumber(text: string): number {
  return numberThat(text, (value) => value > 0, "over 0");
}

function numberFromZero(text: string): number {
  return numberThat(text, (value) => value >= 0, "of at least 0");
}

function numberThat(text: string, isAllowed: (value: number) => boolean, rule: string): number {
  const value = Number(text);
  if (text.trim() === "" || !(isAllowed(value) && value < Infinity)) {
    throw new InvalidArgumentError(`It must be a number ${rule}.`);
  }
  return value;
}

/** `dualpipe plan` finds the schedule, the number of ranks and the micro-batch size to train with. */
export function planCommand(): Command {
  return new Command("plan")
    .description("Find the fastest way to train a model on given devices, by simulation.")
    .option(
      "--model <config.json>",
      "a Hugging Face config of a decoder-only transformer, dense or with experts",
    )
    .option("--devices <count>", "number of devices", wholeNumber)
    .option("--batch <count>", "sequences of one step over all devices", wholeNumber)
    .option("--sequence <tokens>", "tokens per sequence", wholeNumber, 4096)
    .option("--memory <GB>", "memory of a device", positiveNumber, 80)
    .option("--tflops <count>", "peak of a device, in 10^12 operations per second", positiveNumber, 989)
    .option("--efficiency <share>", "share of the peak that matrix products reach", positiveNumber, 0.5)
    .option(
      "--half-rows <tokens>",
      "tokens of a micro-batch with which products reach half of that efficiency",
      numberFromZero,
      150,
    )
    .option(
      "--calibrate <profile...>",
      "take both from profiles of runs on this device; different numbers of tokens give the second",
    )
    .option(
      "--latency <us>",
      "latency of a link between neighbouring ranks, in microseconds",
      positiveNumber,
      10,
    )
    .option("--bandwidth <GB/s>", "bandwidth of a link between neighbouring ranks", positiveNumber, 50)
    .option(
      "--all-reduce <GB/s>",
      "bandwidth of the all-reduce between data-parallel replicas",
      positiveNumber,
      50,
    )
    .option("--pair-share <share>", "time of an overlapped pair, as a share of its F + B", positiveNumber, 1)
    .addOption(
      new Option("--profile <file>", "plan with the costs that dualpipe train --profile measured").conflicts([
        "model",
        "devices",
        "batch",
      ]),
    )
    .option("--micro-batches <count>", "micro-batches per step, with --profile", wholeNumber)
    .option("--write <file.csv>", "write the program that the search found")
    .option("--json", "print the plan as JSON")
    .action(runPlan);
}

function runPlan(options: PlanOptions): void {
  if (options.profile !== undefined) {
    const profile = parseProfile(readTextFile("the profile", options.profile));
    const { searchedProgram, ...measured } = planFromProfile(profile, options.microBatches);
    writeSearched(options.write, searchedProgram);
    process.stdout.write(options.json ? `${JSON.stringify(measured)}\n` : measuredText(measured));
    return;
  }
  const request = requestOf(options);
  const { searchedProgram, candidates: _, ...planned } = asUsage(() => plan(request));
  writeSearched(options.write, searchedProgram);
  process.stdout.write(options.json ? `${JSON.stringify(planned)}\n` : planText(request, planned));
}

function writeSearched(path: string | undefined, program: Program | undefined): void {
  if (path === undefined) return;
  if (program === undefined) {
    throw new ScheduleError(
      "INVALID_PLAN",
      `plan: --write needs a program that the search found; got none better than the named schedules; use dualpipe schedule --csv`,
    );
  }
  writeTextFile("the program", path, formatProgramCsv(program));
}

function requestOf(options: PlanOptions): PlanRequest {
  const { model, devices, batch } = options;
  if (options.microBatches !== undefined)
    throw new UsageError(
      "plan: --micro-batches goes with --profile; without one the plan chooses their number; leave it out",
    );
  if (model === undefined || devices === undefined || batch === undefined) {
    throw new UsageError(
      `plan: --model, --devices and --batch must be given, or --profile; got ${model ?? "no model"}, ` +
        `${devices ?? "no devices"}, ${batch ?? "no batch"}; for example --model config.json --devices 16 --batch 256`,
    );
  }
  const profiles = (options.calibrate ?? []).map((path) => parseProfile(readTextFile("the profile", path)));
  const device: DeviceShape = {
    peakFlops: options.tflops * 1e12,
    efficiency: options.efficiency,
    halfRows: options.halfRows,
    memoryBytes: options.memory * 1e9,
    link: { latency: options.latency * 1e-6, bandwidth: options.bandwidth * 1e9 },
    allReduceBandwidth: options.allReduce * 1e9,
    pairShare: options.pairShare,
  };
  return {
    model: parseModelConfig(readTextFile("the model", model)),
    sequenceLength: options.sequence,
    globalBatch: batch,
    numDevices: devices,
    device: profiles.length === 0 ? device : calibrate(device, profiles),
  };
}

const percent = (ratio: number) => `${(100 * ratio).toFixed(1)} %`;

/** `5 x4` for four stages of five layers, in order. */
function layersInWords(counts: readonly number[]): string {
  const runs: { count: number; length: number }[] = [];
  for (const count of counts) {
    const last = runs.at(-1);
    if (last?.count === count) last.length++;
    else runs.push({ count, length: 1 });
  }
  return runs.map(({ count, length }) => (length === 1 ? `${count}` : `${count} x${length}`)).join(", ");
}

function rowOf(run: PlannedRun, hasExperts: boolean): string[] {
  return [
    run.schedule,
    String(run.numRanks),
    String(run.numReplicas),
    ...(hasExperts ? [String(run.expertParallel ?? 1)] : []),
    String(run.microBatchSize),
    String(run.numMicroBatches),
    layersInWords(run.layerCounts),
    run.recompute ? "yes" : "no",
    `${run.stepSeconds >= 1e4 ? run.stepSeconds.toFixed(0) : run.stepSeconds.toPrecision(4)} s`,
    percent(run.mfu),
    percent(run.bubbleRatio),
    `${(run.peakBytes / 1e9).toFixed(1)} GB`,
  ];
}

/** The parameters of the model, as a line of its own, where all of them are known. */
function parametersInWords({ counts }: ModelShape): string[] {
  if (counts === undefined) return [];
  const billions = (count: number) => `${(count / 1e9).toPrecision(3)} billion`;
  const active = counts.active === counts.total ? "" : `, ${billions(counts.active)} of them for a token`;
  return [`${billions(counts.total)} parameters${active}`];
}

const headOf = (hasExperts: boolean) => [
  ...["schedule", "ranks", "replicas", ...(hasExperts ? ["experts over"] : []), "sequences", "micro-batches"],
  ...["layers of stages", "recompute", "step", "MFU", "bubble", "memory"],
];

function whyNone(numEvaluated: number): string {
  return numEvaluated === 0
    ? "No schedule suits this number of devices, batch and layers."
    : "None fits in memory.";
}

function planText(
  { model, numDevices, globalBatch }: PlanRequest,
  { best, lost, numEvaluated, search }: Omit<Plan, "candidates">,
): string {
  const hasExperts = model.experts !== undefined;
  const rows = best.map((run) => rowOf(run, hasExperts));
  return [
    ...parametersInWords(model),
    `${counted(numEvaluated, "way")} to train ${counted(globalBatch, "sequence")} a step on ${counted(numDevices, "device")}`,
    "",
    best.length > 0 ? table(headOf(hasExperts), rows) : whyNone(numEvaluated),
    "",
    `search: ${search}`,
    "",
    "why the others lost:",
    ...lost.map(({ schedule, reason }) => `  ${schedule}: ${reason}`),
    "",
  ].join("\n");
}

function measuredText({ predictedMs, measuredMs, runs, lost }: MeasuredPlan): string {
  const off = percent(Math.abs(predictedMs / measuredMs - 1));
  const rows = runs.map((run) => [
    run.schedule,
    `${run.stepMs.toPrecision(4)} ms`,
    percent(run.bubbleRatio),
    String(run.peakActivations),
  ]);
  return [
    `the profiled step: ${predictedMs.toPrecision(4)} ms predicted, ${measuredMs.toPrecision(4)} ms measured, ${pc.bold(off)} off`,
    "",
    table(["schedule", "step", "bubble", "activations"], rows),
    "",
    "not possible here:",
    ...lost.map(({ schedule, reason }) => `  ${schedule}: ${reason}`),
    "",
  ].join("\n");
}
