/**
 * `dualpipe simulate`: what one step would cost, without running it.
 *
 * A program is verified before it is simulated. The simulator would find a deadlock too, but as a rank that never
 * proceeds; the verifier names the rank and the action, and draws the grid around it.
 *
 * Costs have any unit, because only ratios matter to a schedule: F=1 and I=1 describe no machine and still give the
 * bubble. So no number is printed with a unit. JSON drops
 * the rounding errors that sums of decimal fractions have (0.1 + 0.2), so that equal schedules compare as equal.
 */
import { Command, Option } from "commander";
import pc from "picocolors";
import { readTextFile, writeTextFile } from "../../files/text-file.ts";
import {
  adaptProgram,
  assertVerified,
  type CostModel,
  chromeTrace,
  costOf,
  formatProgramCsv,
  lower,
  type MemoryTrack,
  memoryOverTime,
  type Program,
  parseCost,
  parseMemoryModel,
  parseProfile,
  type Simulation,
  simulate,
  timelineSvg,
} from "../../schedule/index.ts";
import { asUsage, UsageError, wholeNumber } from "../usage.ts";
import { chartLimits, countingInWords, gantt, sizesInWords } from "./gantt.ts";
import { table, writeOut } from "./output.ts";
import {
  type LoweringOptions,
  loadLowered,
  loadProgram,
  type ProgramOptions,
  withLoweringOptions,
  withProgramOptions,
} from "./program-options.ts";

interface SimulateOptions extends ProgramOptions, LoweringOptions {
  readonly cost: string;
  readonly profile?: string;
  readonly memory?: string;
  readonly whole?: true;
  readonly adapt?: true;
  readonly maxActivations?: number;
  readonly csv?: string;
  readonly json?: true;
  readonly trace?: string;
  readonly svg?: string;
}

/** `dualpipe simulate` predicts the time and the memory of one step. */
export function simulateCommand(): Command {
  const command = new Command("simulate").description("Predict the time and the activations of one step.");
  return withLoweringOptions(withProgramOptions(command))
    .option(
      "-c, --cost <list>",
      "F, I, W, B, FB in any unit of time, one number or one per stage (F=1/2/1/1); link latency; bandwidth and bytes",
      "F=1,I=1,W=1,link=0",
    )
    .addOption(
      new Option("--profile <file>", "use the costs that dualpipe train --profile measured").conflicts(
        "cost",
      ),
    )
    .option(
      "--memory <list>",
      "weights and activations that a stage keeps, in any unit; prints memory over time",
    )
    .option(
      "--whole",
      "let values enter and leave computations only at their start and end, as dualpipe schedule does",
    )
    .addOption(
      new Option("--adapt", "look for the order of computations that suits the costs and links").conflicts([
        "whole",
        "forwardOnly",
      ]),
    )
    .option(
      "--max-activations <count>",
      "for --adapt: the most micro-batches of a stage that a rank may hold (default: as many as without --adapt)",
      wholeNumber,
    )
    .option(
      "--csv <file>",
      "write the program, for pipeline.schedule of a config file; - is the standard output",
    )
    .option("--trace <file>", "write a Chrome trace, which Perfetto opens; - is the standard output")
    .option("--svg <file>", "write a chart; - is the standard output")
    .option("--json", "print the result as JSON")
    .action(runSimulate);
}

/** The value without the rounding errors in its last digits, which sums of decimal fractions have. */
function rounded(value: number): number {
  return Number(value.toPrecision(12));
}

async function runSimulate(name: string, options: SimulateOptions): Promise<void> {
  const { profile, memory: memoryText, csv, trace, svg, json } = options;
  checkOutputs(options);
  const cost =
    profile === undefined
      ? asUsage(() => parseCost(options.cost))
      : costOf(parseProfile(readTextFile("the profile", profile)));
  const memoryModel = memoryText === undefined ? undefined : asUsage(() => parseMemoryModel(memoryText));
  const program = options.adapt ? adapted(name, options, cost) : loadLowered(name, options);
  assertVerified(program, { sends: "buffered" });
  const isWhole = options.whole ?? false;
  const run = () => simulate(program, cost, { wholeComputations: isWhole });
  // The options may give a cost that does not suit the stages.
  const simulation = profile === undefined ? asUsage(run) : run();
  const { timeline } = simulation;
  const memory = memoryModel && asUsage(() => memoryOverTime(timeline, program.placement, memoryModel));
  if (csv !== undefined) await write("the program", csv, formatProgramCsv(program));
  if (trace !== undefined) await write("the trace", trace, JSON.stringify(chromeTrace(timeline)));
  if (svg !== undefined) await write("the chart", svg, timelineSvg(timeline));
  if ([csv, trace, svg].includes(STANDARD_OUTPUT)) return;
  await writeOut([
    json
      ? `${JSON.stringify({ ...asJson(program, simulation, isWhole), ...(memory && { memory }) })}\n`
      : asText(program, cost, simulation, isWhole, memory),
  ]);
}

/** The named program or that of a file, adapted to the costs and lowered. */
function adapted(name: string, options: SimulateOptions, cost: CostModel): Program {
  const { maxActivations, window } = options;
  if (options.order === "reference")
    throw new UsageError("--adapt looks for an order of its own; got --order reference; leave one out");
  const { program } = asUsage(() => adaptProgram(loadProgram(name, options), { cost, maxActivations }));
  return lower(program, window === undefined ? {} : { window });
}

const STANDARD_OUTPUT = "-";

/** @throws UsageError when several things would go to the standard output */
function checkOutputs({ csv, trace, svg, json, adapt, maxActivations }: SimulateOptions): void {
  if (maxActivations !== undefined && !adapt)
    throw new UsageError(
      `--max-activations is a limit for --adapt; got ${maxActivations} without it; add --adapt or leave it out`,
    );
  const outputs = [
    ...(csv === STANDARD_OUTPUT ? ["--csv -"] : []),
    ...(trace === STANDARD_OUTPUT ? ["--trace -"] : []),
    ...(svg === STANDARD_OUTPUT ? ["--svg -"] : []),
    ...(json ? ["--json"] : []),
  ];
  if (outputs.length > 1 && outputs[0] !== "--json")
    throw new UsageError(
      `only one result can go to the standard output; got ${outputs.join(" and ")}; give one a file`,
    );
}

async function write(what: string, path: string, text: string): Promise<void> {
  if (path === STANDARD_OUTPUT) await writeOut([text]);
  else writeTextFile(what, path, text);
}

function asJson(program: Program, simulation: Simulation, wholeComputations: boolean): object {
  return {
    schedule: program.schedule,
    ranks: program.numRanks,
    stages: program.numStages,
    microBatches: program.numMicroBatches,
    forwardOnly: program.forwardOnly,
    order: program.communication === "batched" ? "reference" : "eager",
    wholeComputations,
    makespan: rounded(simulation.makespan),
    work: simulation.work.map(rounded),
    bubble: simulation.bubble.map(rounded),
    bubbleRatio: rounded(simulation.bubbleRatio),
    bubbleCauses: simulation.bubbleCauses.map(({ data, link, imbalance, tail }) => ({
      data: rounded(data),
      link: rounded(link),
      imbalance: rounded(imbalance),
      tail: rounded(tail),
    })),
    peakActivations: simulation.peakActivations,
  };
}

function asText(
  program: Program,
  cost: CostModel,
  simulation: Simulation,
  isWhole: boolean,
  memory: readonly MemoryTrack[] | undefined,
): string {
  const { makespan, bubbleRatio, work, bubble, bubbleCauses, peakActivations, timeline } = simulation;
  const number = (value: number) => String(Number(value.toPrecision(4)));
  const rows = work.map((busy, rank) => [
    String(rank),
    number(busy),
    number(bubble[rank]!),
    number(bubbleCauses[rank]!.data),
    number(bubbleCauses[rank]!.link),
    number(bubbleCauses[rank]!.imbalance),
    number(bubbleCauses[rank]!.tail),
    String(peakActivations[rank]),
    ...(memory === undefined ? [] : [number(memory[rank]!.peak)]),
  ]);
  const head = ["rank", "work", "bubble", "data", "link", "imbalance", "tail", "activations"];
  const limits = chartLimits();
  return [
    `${pc.bold(program.schedule)}: ${sizesInWords(program)}, link ${cost.link.latency}`,
    "",
    gantt(timeline, limits),
    "",
    table(memory === undefined ? head : [...head, "memory"], rows.slice(0, limits.maxRanks)),
    "",
    `makespan ${number(makespan)}, bubble ${(100 * bubbleRatio).toFixed(1)} %`,
    countingInWords(isWhole),
    "",
  ].join("\n");
}
