/** The controls of a step's sizes and costs: what each is, in a few words, and its range. */
import { findSchedule, nearestAllowed, schedules } from "../../schedule/index.ts";
import { type CostKey, DEFAULT_SETTINGS, type MemoryKey, type StepSettings } from "./settings.ts";

export interface NumberControl<Key extends string> {
  readonly key: Key;
  readonly label: string;
  /** What it is, in a word or a few. */
  readonly meaning: string;
  readonly min: number;
  readonly max: number;
  readonly step: number;
  /** What an empty field counts as, in words. */
  readonly empty: string;
}

export type CountKey = "numRanks" | "numMicroBatches" | "stagesPerRank";

export const COST_CONTROLS: readonly NumberControl<CostKey>[] = [
  { key: "F", label: "F", meaning: "time of a forward", min: 0, max: 5, step: 0.1, empty: "1" },
  {
    key: "I",
    label: "I",
    meaning: "time of a backward for the inputs",
    min: 0,
    max: 5,
    step: 0.1,
    empty: "1",
  },
  {
    key: "W",
    label: "W",
    meaning: "time of a backward for the weights",
    min: 0,
    max: 5,
    step: 0.1,
    empty: "1",
  },
  {
    key: "FB",
    label: "Pair",
    meaning: "time of a forward and a backward, overlapped",
    min: 0,
    max: 10,
    step: 0.1,
    empty: "F + I + W",
  },
  {
    key: "pairShare",
    label: "Pair share",
    meaning: "of the F + I + W of a pair, unless it has a time",
    min: 0.3,
    max: 1,
    step: 0.01,
    empty: "1",
  },
  {
    key: "link",
    label: "Latency",
    meaning: "time until a transfer arrives",
    min: 0,
    max: 2,
    step: 0.05,
    empty: "0",
  },
  {
    key: "bandwidth",
    label: "Bandwidth",
    meaning: "bytes per unit of time",
    min: 1,
    max: 200,
    step: 1,
    empty: "no limit",
  },
  { key: "bytes", label: "Bytes", meaning: "size of a transfer", min: 0, max: 200, step: 1, empty: "0" },
];

export const MEMORY_CONTROLS: readonly NumberControl<MemoryKey>[] = [
  {
    key: "weights",
    label: "Weights",
    meaning: "memory of a stage's parameters",
    min: 0,
    max: 50,
    step: 0.5,
    empty: "0",
  },
  {
    key: "activations",
    label: "Activations",
    meaning: "memory that a stage keeps of a micro-batch",
    min: 0,
    max: 10,
    step: 0.1,
    empty: "1",
  },
];

const COUNT_TEXTS: Readonly<Record<CountKey, readonly [label: string, meaning: string]>> = {
  numRanks: ["Ranks", "workers with a device each"],
  numMicroBatches: ["Micro-batches", "pieces of the batch of one step"],
  stagesPerRank: ["Stages per rank", "slices of the model on each rank"],
};
const COUNT_MAX: Readonly<Record<CountKey, number>> = {
  numRanks: 64,
  numMicroBatches: 256,
  stagesPerRank: 8,
};
/** The names of these sizes in the constraints of schedules. */
const RULE = { numRanks: "ranks", numMicroBatches: "microBatches", stagesPerRank: "stagesPerRank" } as const;

/** The controls of the sizes that the schedule lets be chosen, with the steps that it allows. */
export function countControls({ schedule, numRanks }: StepSettings): NumberControl<CountKey>[] {
  const { constraints } = findSchedule(schedule);
  return (Object.keys(COUNT_TEXTS) as CountKey[]).flatMap((key) => {
    const {
      atLeast,
      atMost,
      atLeastTimesRanks = 0,
      multipleOf = 1,
      multipleOfRanks,
    } = constraints[RULE[key]];
    if (atLeast === atMost) return [];
    const [label, meaning] = COUNT_TEXTS[key];
    const step = multipleOf * (multipleOfRanks ? Math.max(1, numRanks) : 1);
    const min = Math.max(atLeast, atLeastTimesRanks * numRanks, step);
    return [{ key, label, meaning, min, max: Math.max(COUNT_MAX[key], 2 * min), step, empty: String(min) }];
  });
}

/** The sizes nearest to those of the settings that the schedule allows. */
function allowedSizes(settings: StepSettings): Pick<StepSettings, CountKey> {
  const { constraints } = findSchedule(settings.schedule);
  const numRanks = nearestAllowed(constraints.ranks, settings.numRanks, settings.numRanks);
  return {
    numRanks,
    numMicroBatches: nearestAllowed(constraints.microBatches, settings.numMicroBatches, numRanks),
    stagesPerRank: nearestAllowed(constraints.stagesPerRank, settings.stagesPerRank, numRanks),
  };
}

/** The settings with another schedule, and with sizes that it allows. */
export function withSchedule(settings: StepSettings, schedule: string): StepSettings {
  const { program: _, ...rest } = settings;
  const order = findSchedule(schedule).generateReferenceOrder ? settings.order : DEFAULT_SETTINGS.order;
  const changed = { ...rest, schedule, order };
  return { ...changed, ...allowedSizes(changed) };
}

/**
 * The settings with another schedule for the same model: where it cuts the model into twice as many stages, each costs
 * and keeps half.
 */
export function withScheduleForModel(settings: StepSettings, schedule: string): StepSettings {
  const other = withSchedule(settings, schedule);
  const share = numStagesOf(settings) / numStagesOf(other);
  if (share === 1 || !(share > 0)) return other;
  const scaled = (text: string | undefined, fallback: number) => {
    const value = text === undefined ? fallback : Number(text);
    return Number.isFinite(value) ? String(Number((value * share).toPrecision(6))) : text!;
  };
  const { costs, memory } = settings;
  return {
    ...other,
    costs: {
      ...costs,
      ...{ F: scaled(costs.F, 1), I: scaled(costs.I, 1), W: scaled(costs.W, 1) },
      ...(costs.FB === undefined ? {} : { FB: scaled(costs.FB, 3) }),
    },
    memory: { ...memory, weights: scaled(memory.weights, 0), activations: scaled(memory.activations, 1) },
  };
}

/** The number of stages, or NaN for a schedule without a name. */
export function numStagesOf({ schedule, numRanks, numMicroBatches, stagesPerRank }: StepSettings): number {
  if (!isSchedule(schedule)) return Number.NaN;
  return findSchedule(schedule).placement({ numRanks, numMicroBatches, stagesPerRank }).numStages;
}

/** Whether there is a schedule of this name, which an address may get wrong. */
export const isSchedule = (name: string): boolean => schedules.some((schedule) => schedule.name === name);
