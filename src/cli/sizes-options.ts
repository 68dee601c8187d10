import { type Command, InvalidArgumentError } from "commander";
import { type ProgramSizes, schedules } from "../schedule/index.ts";

/** What every command that names a schedule and its sizes takes. */
export interface SizesOptions {
  readonly ranks: number;
  readonly microBatches: number;
  readonly stagesPerRank?: number;
  readonly forwardOnly?: true;
}

export const SCHEDULE_NAMES = schedules.map((schedule) => schedule.name).join(", ");

/** For commander: a whole number from 0 on, in decimal digits. */
export function wholeNumber(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError("It must be a whole number of at least 0.");
  return Number(text);
}

export function withSizesOptions(command: Command): Command {
  return command
    .requiredOption("-p, --ranks <count>", "ranks of the pipeline", wholeNumber)
    .requiredOption("-m, --micro-batches <count>", "micro-batches of one step", wholeNumber)
    .option(
      "--stages-per-rank <count>",
      "stages that each rank holds, for interleaved schedules",
      wholeNumber,
    )
    .option("--forward-only", "forwards alone, as for inference");
}

export function sizesOf(options: SizesOptions): ProgramSizes {
  return {
    numRanks: options.ranks,
    numMicroBatches: options.microBatches,
    forwardOnly: options.forwardOnly ?? false,
    ...(options.stagesPerRank === undefined ? {} : { stagesPerRank: options.stagesPerRank }),
  };
}
