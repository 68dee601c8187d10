import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import {
  buildProgram,
  buildReferenceOrder,
  findSchedule,
  lower,
  type Program,
  type ProgramSizes,
  parseProgramCsv,
  ScheduleError,
  schedules,
} from "../../schedule/index.ts";

const SCHEDULE_NAMES = schedules.map((schedule) => schedule.name).join(", ");

/** The options of every command that takes a program. */
export interface ProgramOptions {
  readonly ranks?: number;
  readonly microBatches?: number;
  readonly stagesPerRank?: number;
  readonly forwardOnly?: true;
}

/** The options of every command that takes a program with communication. */
export interface LoweringOptions {
  readonly order: "eager" | "reference";
  readonly window?: number;
}

/** Reads an option's value for commander: a whole number of at least 0, in decimal digits. */
export function wholeNumber(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError("It must be a whole number of at least 0.");
  return Number(text);
}

function communicationOrder(text: string): "eager" | "reference" {
  if (text === "eager" || text === "reference") return text;
  throw new InvalidArgumentError('It must be "eager" or "reference".');
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
    .option("--forward-only", "forwards only, as for inference");
}

export function withLoweringOptions(command: Command): Command {
  return command
    .option(
      "--order <order>",
      "order of communication: eager, or that of the reference implementation",
      communicationOrder,
      "eager",
    )
    .option("--window <count>", "number of computations by which receives are posted ahead", wholeNumber);
}

function sizesOf(
  name: string,
  { ranks, microBatches, stagesPerRank, forwardOnly }: ProgramOptions,
): ProgramSizes {
  const { title } = findSchedule(name);
  if (ranks === undefined || microBatches === undefined) {
    throw new ScheduleError(
      "INVALID_SIZES",
      `${title}: a named schedule needs its sizes; got --ranks ${ranks ?? "missing"}, --micro-batches ` +
        `${microBatches ?? "missing"}; give both, for example --ranks 4 --micro-batches 8`,
    );
  }
  return {
    numRanks: ranks,
    numMicroBatches: microBatches,
    forwardOnly: forwardOnly ?? false,
    ...(stagesPerRank === undefined ? {} : { stagesPerRank }),
  };
}

const isFile = (name: string) => name.toLowerCase().endsWith(".csv");

function readProgram(path: string, options: ProgramOptions): Program {
  const given = Object.entries(options).filter(([key]) =>
    ["ranks", "microBatches", "stagesPerRank", "forwardOnly"].includes(key),
  );
  if (given.length > 0) {
    throw new ScheduleError(
      "INVALID_SIZES",
      `csv: a file has its own sizes; got ${given.map(([key]) => key).join(", ")} together with ${path}; leave them out`,
    );
  }
  return parseProgramCsv(readFileSync(path, "utf8"), basename(path).replace(/\.csv$/i, ""));
}

/** The program of a named schedule or of a file. */
export function loadProgram(name: string, options: ProgramOptions): Program {
  return isFile(name) ? readProgram(name, options) : buildProgram(name, sizesOf(name, options));
}

/** The program of a named schedule or of a file, with its communication. */
export function loadLowered(name: string, options: ProgramOptions & LoweringOptions): Program {
  if (options.order === "reference" && !isFile(name)) {
    return buildReferenceOrder(name, sizesOf(name, options));
  }
  const program = loadProgram(name, options);
  if (program.communication !== "none") return program;
  return lower(program, options.window === undefined ? {} : { window: options.window });
}
