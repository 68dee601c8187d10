/*
 * Defaults that depend on other values.
 *
 * A key that is left out must not make a configuration fail: `pipeline.schedule=gpipe` alone asks for a run under
 * GPipe, and has nothing to do with tied embeddings, which GPipe cannot have. So these defaults follow what is given,
 * and are filled in before the values are checked. They stay away from values that are wrong; the check then says so.
 */
import { placementOf } from "../../engine/plan-cache.ts";
import { counted } from "../../errors/counted.ts";
import { fittingModelDefaults } from "../../models/families.ts";
import type { ModelCut } from "../../models/model-family.ts";
import type { Placement } from "../../schedule/program/placement.ts";
import { ScheduleError } from "../../schedule/program/schedule-error.ts";
import { nearestAllowed } from "../../schedule/program/sizes.ts";
import { findSchedule } from "../../schedule/schedules/registry.ts";
import {
  namesFile,
  programOf,
  readScheduleFile,
  type ScheduleFile,
  scheduleName,
  scheduleOf,
} from "./schedule-file.ts";

type Values = Readonly<Record<string, unknown>>;

const DEFAULT_SCHEDULE = "dualpipe";
const DEFAULT_RANKS = 4;
const DEFAULT_MICRO_BATCHES = 8;

/**
 * Fills in the defaults that depend on other values, and the text of the schedule's file.
 * @param configFile The configuration, which the path of a schedule starts from.
 * @throws FileError, ScheduleError when the schedule's file cannot be read
 */
export function withFittingDefaults(given: unknown, configFile: string): unknown {
  const root = given ?? {};
  if (!isSection(root)) return given;
  const pipeline = pipelineOf(root.pipeline ?? {}, configFile);
  const model = root.model ?? {};
  return {
    ...root,
    pipeline,
    model: isSection(model) ? { ...model, ...fittingModelDefaults(model, cutOf(pipeline)) } : model,
  };
}

function pipelineOf(given: unknown, configFile: string): unknown {
  if (!isSection(given)) return given;
  const { schedule = DEFAULT_SCHEDULE } = given;
  const chosen = namesFile(schedule) ? readScheduleFile(schedule, configFile) : schedule;
  if (!isFile(chosen)) return { ...given, ...microBatchesOf(given, chosen) };
  const { numRanks, numMicroBatches } = programOf(chosen);
  return { ranks: numRanks, microBatches: numMicroBatches, ...given, schedule: chosen };
}

/** As many as the schedule needs, but not fewer than usual. */
function microBatchesOf({ ranks = DEFAULT_RANKS, microBatches }: Values, schedule: unknown): Values {
  if (microBatches !== undefined || typeof schedule !== "string" || !isCount(ranks)) return {};
  try {
    const rule = findSchedule(schedule).constraints.microBatches;
    return { microBatches: nearestAllowed(rule, DEFAULT_MICRO_BATCHES, ranks) };
  } catch (error) {
    if (!(error instanceof ScheduleError)) throw error;
    return {};
  }
}

/** How the pipeline cuts the model; undefined when its values are wrong. */
function cutOf(pipeline: unknown): ModelCut | undefined {
  if (!isSection(pipeline)) return undefined;
  const { schedule = DEFAULT_SCHEDULE, ranks = DEFAULT_RANKS } = pipeline;
  if (!isCount(ranks) || !(typeof schedule === "string" || isFile(schedule))) return undefined;
  return modelCutOf({ schedule, ranks });
}

/** How a schedule with this number of ranks cuts a model; undefined when there is no such schedule. */
export function modelCutOf(pipeline: {
  readonly schedule: string | ScheduleFile;
  readonly ranks: number;
}): ModelCut | undefined {
  try {
    const placement = placementOf({ schedule: scheduleOf(pipeline) }, pipeline.ranks);
    return {
      numStages: placement.numStages,
      endsShareRank: endsShareRank(placement),
      layout: `${scheduleName(pipeline)} with ${counted(pipeline.ranks, "rank")}`,
    };
  } catch (error) {
    if (!(error instanceof ScheduleError)) throw error;
    return undefined;
  }
}

/** Whether every rank that holds the first stage holds the last one too, and the other way round. */
function endsShareRank({ rankOfStage, numStages }: Placement): boolean {
  const first = new Set(rankOfStage.map((ranks) => ranks[0]));
  const last = new Set(rankOfStage.map((ranks) => ranks[numStages - 1]));
  return first.size === last.size && [...first].every((rank) => last.has(rank));
}

function isSection(value: unknown): value is Values {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 1;
}

function isFile(value: unknown): value is ScheduleFile {
  return isSection(value) && typeof value.csv === "string" && typeof value.file === "string";
}
