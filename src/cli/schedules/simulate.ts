/**
 * `dualpipe simulate`: what one step would cost, without running it.
 *
 * A program is verified before it is simulated. The simulator would find a deadlock too, but as a rank that never
 * proceeds; the verifier names the rank and the action, and draws the grid around it.
 *
 * Costs have any unit, because only ratios matter to a schedule: F=1 and I=1 describe no machine and still give the
 * bubble. So the chart takes the shortest computation as one column, and no number is printed with a unit. JSON drops
 * the rounding errors that sums of decimal fractions have (0.1 + 0.2), so that equal schedules compare as equal.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { Command } from "commander";
import pc from "picocolors";
import {
  assertVerified,
  type CostModel,
  chromeTrace,
  costOf,
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
import { chartLimits, countingInWords, gantt } from "./gantt.ts";
import { table } from "./output.ts";
import {
  type LoweringOptions,
  loadLowered,
  type ProgramOptions,
  withLoweringOptions,
  withProgramOptions,
} from "./program-options.ts";

interface SimulateOptions extends ProgramOptions, LoweringOptions {
  readonly cost: string;
  readonly profile?: string;
  readonly memory?: string;
  readonly whole?: true;
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
    .option("--profile <file>", "use the costs that dualpipe train --profile measured")
    .option(
      "--memory <list>",
      "weights and activations that a stage keeps, in any unit; prints memory over time",
    )
    .option(
      "--whole",
      "let values enter and leave computations only at their start and end, as dualpipe schedule does",
    )
    .option("--trace <file>", "write a Chrome trace, which Perfetto opens")
    .option("--svg <file>", "write a chart")
    .option("--json", "print the result as JSON")
    .action(runSimulate);
}

/** The value without the rounding errors in its last digits, which sums of decimal fractions have. */
function rounded(value: number): number {
  return Number(value.toPrecision(12));
}

function runSimulate(name: string, options: SimulateOptions): void {
  const cost =
    options.profile === undefined
      ? parseCost(options.cost)
      : costOf(parseProfile(readFileSync(options.profile, "utf8")));
  const program = loadLowered(name, options);
  assertVerified(program, { sends: "buffered" });
  const isWhole = options.whole ?? false;
  const simulation = simulate(program, cost, { wholeComputations: isWhole });
  if (options.trace !== undefined) {
    writeFileSync(options.trace, JSON.stringify(chromeTrace(simulation.timeline)));
  }
  if (options.svg !== undefined) writeFileSync(options.svg, timelineSvg(simulation.timeline));
  const memory =
    options.memory === undefined
      ? undefined
      : memoryOverTime(simulation.timeline, program.placement, parseMemoryModel(options.memory));
  process.stdout.write(
    options.json
      ? `${JSON.stringify({ ...asJson(program, simulation, isWhole), ...(memory && { memory }) })}\n`
      : asText(program, cost, simulation, isWhole, memory),
  );
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

/** The time of the shortest computation, so that each computation has at least one column. */
function chartUnit({ timeline, makespan }: Simulation): number {
  let unit = makespan;
  for (const { startsMs, endsMs } of timeline.ranks) {
    for (const [index, start] of startsMs.entries()) {
      const duration = endsMs[index]! - start;
      if (duration > 0) unit = Math.min(unit, duration);
    }
  }
  return Math.max(unit, makespan / 1000, Number.MIN_VALUE);
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
  const { maxRanks, maxWidth } = chartLimits();
  return [
    `${pc.bold(program.schedule)}: ${program.numRanks} ranks, ${program.numStages} stages, ` +
      `${program.numMicroBatches} micro-batches, link ${cost.link.latency}`,
    "",
    gantt(timeline, { unit: chartUnit(simulation), maxWidth, maxRanks }),
    "",
    table(memory === undefined ? head : [...head, "memory"], rows.slice(0, maxRanks)),
    "",
    `makespan ${number(makespan)}, bubble ${(100 * bubbleRatio).toFixed(1)} %`,
    countingInWords(isWhole),
    "",
  ].join("\n");
}
