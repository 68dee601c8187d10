import { Command } from "commander";
import pc from "picocolors";
import { counted } from "../../errors/counted.ts";
import {
  assertVerified,
  countActions,
  formatAction,
  lower,
  type Program,
  schedules,
  simulate,
  UNIT_COST,
} from "../../schedule/index.ts";
import { chartLimits, countingInWords, gantt, sizesInWords } from "./gantt.ts";
import { writeOut } from "./output.ts";
import { loadProgram, type ProgramOptions, withProgramOptions } from "./program-options.ts";

interface ScheduleOptions extends ProgramOptions {
  readonly lowered?: true;
  readonly csv?: true;
  readonly json?: true;
}

/** `dualpipe schedule` shows what every rank does in one step. */
export function scheduleCommand(): Command {
  const command = new Command("schedule").description("Show what every rank does in one step.");
  return withProgramOptions(command)
    .option("--lowered", "show the SEND and RECV actions, too")
    .option("--csv", "print the actions as torch.distributed.pipelining reads them")
    .option("--json", "print the actions as JSON")
    .action(runSchedule);
}

async function runSchedule(name: string, options: ScheduleOptions): Promise<void> {
  const program = loadProgram(name, options);
  const shown = options.lowered && program.communication === "none" ? lower(program) : program;
  if (options.json) await writeOut(programJson(shown));
  else if (options.csv) await writeOut(programLines(shown, ",", () => ""));
  else if (options.lowered) await writeOut(programLines(shown, " ", (rank) => `${pc.bold(`rank ${rank}`)} `));
  else await writeOut([chart(program)]);
}

function* programJson(program: Program): Generator<string> {
  const { schedule, numRanks, numStages, numMicroBatches, forwardOnly } = program;
  const head = {
    schedule,
    ranks: numRanks,
    stages: numStages,
    microBatches: numMicroBatches,
    forwardOnly,
  };
  yield `${JSON.stringify(head).slice(0, -1)},"program":[`;
  for (const [rank, actions] of program.ranks.entries()) {
    yield `${rank > 0 ? "," : ""}${JSON.stringify(Array.from(actions, formatAction))}`;
  }
  yield "]}\n";
}

function* programLines(
  program: Program,
  separator: string,
  prefixOf: (rank: number) => string,
): Generator<string> {
  for (const [rank, actions] of program.ranks.entries()) {
    yield `${prefixOf(rank)}${Array.from(actions, formatAction).join(separator)}\n`;
  }
}

/** A larger program takes long to draw, and its chart is unreadable. */
const MAX_CHART_ACTIONS = 2 ** 22;

function chart(program: Program): string {
  if (countActions(program) > MAX_CHART_ACTIONS) {
    return (
      `${program.schedule}: ${sizesInWords(program)}, ${countActions(program)} actions; too many for a chart; ` +
      "print them with --json or --csv\n"
    );
  }
  assertVerified(program);
  const lowered = program.communication === "none" ? lower(program) : program;
  const { makespan, bubbleRatio, peakActivations, timeline } = simulate(lowered, UNIT_COST, {
    wholeComputations: true,
  });
  const definition = schedules.find(({ name }) => name === program.schedule);
  return [
    `${pc.bold(definition?.title ?? program.schedule)}: ${sizesInWords(program)}`,
    ...(definition ? [pc.dim(definition.source)] : []),
    "",
    gantt(timeline, chartLimits()),
    "",
    `${makespan} units with F = I = W = 1, bubble ${(100 * bubbleRatio).toFixed(1)} %, ` +
      `activations of at most ${counted(Math.max(...peakActivations), "micro-batch")} of a stage on a rank`,
    countingInWords(true),
    "",
  ].join("\n");
}
