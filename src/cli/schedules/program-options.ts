import { statSync } from "node:fs";
import { basename } from "node:path";
import type { Command } from "commander";
import { readTextFile } from "../../files/text-file.ts";
import {
  buildProgram,
  buildReferenceOrder,
  findSchedule,
  lower,
  type Program,
  type ProgramSizes,
  parseProgramCsv,
  schedules,
} from "../../schedule/index.ts";
import { asUsage, choiceOf, UsageError, wholeNumber } from "../usage.ts";

const SCHEDULE_NAMES = schedules.map((schedule) => schedule.name).join(", ");

/** The options of every command that takes a program. */
export interface ProgramOptions {
  readonly ranks?: number;
  readonly microBatches?: number;
  readonly stagesPerRank?: number;
  readonly extraWarmUps?: number;
  readonly forwardOnly?: true;
}

/** The options of every command that takes a program with communication. */
export interface LoweringOptions {
  readonly order: "eager" | "reference";
  readonly window?: number;
}

export function withProgramOptions(command: Command): Command {
  return command
    .argument("<name>", `${SCHEDULE_NAMES}, or a .csv file of torch.distributed.pipelining`)
    .option("-p, --ranks <count>", "number of ranks in the pipeline", wholeNumber)
    .option("-m, --micro-batches <count>", "number of micro-batches in one step", wholeNumber)
    .option(
      "--stages-per-rank <count>",
      "stages that each rank holds, for interleaved schedules",
      wholeNumber,
    )
    .option(
      "--extra-warm-ups <count>",
      "forwards that each rank runs ahead in addition, for interleaved schedules",
      wholeNumber,
    )
    .option("--forward-only", "forwards only, as for inference");
}

export function withLoweringOptions(command: Command): Command {
  return command
    .option(
      "--order <order>",
      "order of communication: eager, or that of the reference implementation",
      choiceOf(["eager", "reference"]),
      "eager",
    )
    .option("--window <count>", "number of computations by which receives are posted ahead", wholeNumber);
}

function sizesOf(
  name: string,
  { ranks, microBatches, stagesPerRank, extraWarmUps, forwardOnly }: ProgramOptions,
): ProgramSizes {
  const { title } = findSchedule(name);
  if (ranks === undefined || microBatches === undefined) {
    throw new UsageError(
      `${title}: a named schedule needs its sizes; got --ranks ${ranks ?? "missing"}, --micro-batches ` +
        `${microBatches ?? "missing"}; give both, for example --ranks 4 --micro-batches 8`,
    );
  }
  return {
    numRanks: ranks,
    numMicroBatches: microBatches,
    forwardOnly: forwardOnly ?? false,
    ...(stagesPerRank === undefined ? {} : { stagesPerRank }),
    ...(extraWarmUps === undefined ? {} : { extraWarmUps }),
  };
}

/** Whether the name is that of a file. @throws UsageError for a file or folder that is no program. */
function isFile(name: string): boolean {
  if (name.toLowerCase().endsWith(".csv")) return true;
  if (schedules.some((schedule) => schedule.name === name)) return false;
  const stats = statSync(name, { throwIfNoEntry: false });
  if (stats === undefined) return false;
  throw new UsageError(
    `schedule: a program is read from a .csv file, as torch.distributed.pipelining and dualpipe schedule --csv write; ` +
      `got ${name}, which is a ${stats.isDirectory() ? "folder" : "file of another kind"}; ` +
      "give the path of a .csv file, or the name of a schedule",
  );
}

function readProgram(path: string, options: ProgramOptions): Program {
  const flags = Object.entries(SIZE_FLAGS).flatMap(([key, flag]) => (key in options ? [flag] : []));
  if (flags.length > 0) {
    throw new UsageError(
      `csv: a file has its own sizes; got ${flags.join(", ")} together with ${path}; leave them out`,
    );
  }
  return parseProgramCsv(readTextFile("the program", path), basename(path).replace(/\.csv$/i, ""));
}

const SIZE_FLAGS = {
  ranks: "--ranks",
  microBatches: "--micro-batches",
  stagesPerRank: "--stages-per-rank",
  extraWarmUps: "--extra-warm-ups",
  forwardOnly: "--forward-only",
} as const satisfies Record<keyof ProgramOptions, string>;

/** The program of a named schedule or of a file. @throws UsageError, FileError, ScheduleError */
export function loadProgram(name: string, options: ProgramOptions): Program {
  return isFile(name)
    ? readProgram(name, options)
    : asUsage(() => buildProgram(name, sizesOf(name, options)));
}

/** The program of a schedule or of a file, with its communication. @throws UsageError, FileError, ScheduleError */
export function loadLowered(name: string, options: ProgramOptions & LoweringOptions): Program {
  if (options.order === "reference" && !isFile(name)) {
    return asUsage(() => buildReferenceOrder(name, sizesOf(name, options)));
  }
  const program = loadProgram(name, options);
  if (program.communication !== "none") return program;
  return lower(program, options.window === undefined ? {} : { window: options.window });
}
