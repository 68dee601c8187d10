import { Command } from "commander";
import pc from "picocolors";
import {
  buildProgram,
  findSchedule,
  formatAction,
  lower,
  type Program,
  simulate,
  UNIT_COST,
} from "../schedule/index.ts";
import { chartLimits, gantt } from "./gantt.ts";
import { writeOut } from "./output.ts";
import { SCHEDULE_NAMES, type SizesOptions, sizesOf, withSizesOptions } from "./sizes-options.ts";

interface ScheduleOptions extends SizesOptions {
  readonly lowered?: true;
  readonly json?: true;
}

/** `dualpipe schedule`: what every rank does in one step. */
export function scheduleCommand(): Command {
  const command = new Command("schedule")
    .description("Show what every rank does in one step.")
    .argument("<name>", `one of ${SCHEDULE_NAMES}`);
  return withSizesOptions(command)
    .option("--lowered", "with the SEND and RECV actions")
    .option("--json", "print the actions as JSON")
    .action(runSchedule);
}

async function runSchedule(name: string, options: ScheduleOptions): Promise<void> {
  const program = buildProgram(name, sizesOf(options));
  const shown = options.lowered ? lower(program) : program;
  if (options.json) await writeOut(programJson(shown));
  else if (options.lowered) await writeOut(programLines(shown));
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

function* programLines(program: Program): Generator<string> {
  for (const [rank, actions] of program.ranks.entries()) {
    yield `${pc.bold(`rank ${rank}`)} ${Array.from(actions, formatAction).join(" ")}\n`;
  }
}

function chart(program: Program): string {
  const { makespan, bubbleRatio, peakActivations, timeline } = simulate(lower(program), UNIT_COST, {
    wholeComputations: true,
  });
  const { title, source } = findSchedule(program.schedule);
  return [
    `${pc.bold(title)}: ${program.numRanks} ranks, ${program.numStages} stages, ${program.numMicroBatches} micro-batches`,
    pc.dim(source),
    "",
    gantt(timeline, { unit: 1, ...chartLimits() }),
    "",
    `${makespan} units with F = I = W = 1, bubble ${(100 * bubbleRatio).toFixed(1)} %, ` +
      `activations of at most ${Math.max(...peakActivations)} micro-batches of a stage on a rank`,
    "",
  ].join("\n");
}
