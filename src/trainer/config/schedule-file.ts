/*
 * A program in place of a named schedule: `pipeline.schedule` then names a CSV file, such as one of the planner's.
 *
 * A path is not enough for a run: the file may change or be gone when the run is resumed, and each of several processes
 * would read its own. So the program's text becomes a part of the configuration as soon as that is read. Whatever holds
 * or compares a configuration (the run's `config.yaml`, its checkpoints, their checksums, the ranks in other threads)
 * thereby holds and compares the program.
 */
import { existsSync } from "node:fs";
import { basename, dirname, isAbsolute, resolve } from "node:path";
import { FileError } from "../../files/file-error.ts";
import { readTextFile } from "../../files/text-file.ts";
import { parseProgramCsv } from "../../schedule/program/csv.ts";
import type { Program } from "../../schedule/program/program.ts";

/** A program that was read from a file. */
export interface ScheduleFile {
  /** The path as it was given. */
  readonly file: string;
  /** The text of the file, as torch.distributed.pipelining writes it. */
  readonly csv: string;
}

/** Whether `pipeline.schedule` names a file. */
export function namesFile(schedule: unknown): schedule is string {
  return typeof schedule === "string" && /\.csv$/i.test(schedule);
}

/** Reads the program. @param configFile The configuration, which a relative path starts from. @throws FileError */
export function readScheduleFile(path: string, configFile: string): ScheduleFile {
  const found = resolve(dirname(configFile), path);
  try {
    const text = readTextFile("the program", found);
    return { file: path, csv: text.replace(/^\uFEFF/, "").replaceAll(/\r\n?/g, "\n") };
  } catch (error) {
    const isHere = !isAbsolute(path) && !existsSync(found) && existsSync(path);
    if (!(error instanceof FileError) || !isHere) throw error;
    throw new FileError(
      error.code,
      `${error.problem}; a relative path starts at the folder of the configuration; for the file here write ${resolve(path)}`,
      { cause: error },
    );
  }
}

/** The program of a file. @throws ScheduleError */
export function programOf(schedule: ScheduleFile): Program {
  return parseProgramCsv(schedule.csv, scheduleName({ schedule }));
}

/** The schedule as the engine takes it: its name, or its program. @throws ScheduleError when the file has none */
export function scheduleOf({ schedule }: { readonly schedule: string | ScheduleFile }): string | Program {
  return typeof schedule === "string" ? schedule : programOf(schedule);
}

/** The name of the schedule, or of its file. */
export function scheduleName({ schedule }: { readonly schedule: string | ScheduleFile }): string {
  return typeof schedule === "string" ? schedule : basename(schedule.file).replace(/\.csv$/i, "");
}
