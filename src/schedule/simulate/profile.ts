/*
 * The costs of a real run, as a file.
 *
 * The simulator needs a time for each kind of computation of each stage, also those that the profiled schedule never
 * runs by itself. Times of single computations vary, and their medians leave out the slow ones, whose time a step has
 * to spend all the same. So costs are means over one step, the one whose time is the median.
 */
import { shown } from "../../errors/shown.ts";
import type { ComputationKind } from "../program/action.ts";
import { ScheduleError } from "../program/schedule-error.ts";
import type { CostModel, LinkCost, PerStage } from "./cost.ts";
import { makespanOf, type Timeline, type TimelineEvent } from "./timeline.ts";

/** The costs of a real run: milliseconds per stage, and the step that they were measured in. */
export interface Profile {
  readonly version: 1;
  readonly schedule: string;
  readonly numRanks: number;
  readonly numStages: number;
  readonly numMicroBatches: number;
  /** The median time of a step. */
  readonly stepMs: number;
  readonly F: readonly number[];
  readonly I: readonly number[];
  readonly W: readonly number[];
  readonly B: readonly number[];
  /** The time of an overlapped pair as a share of its F and its B one after the other. */
  readonly pairShare: number;
  readonly link: LinkCost;
  readonly activationBytes?: PerStage;
  /** What a micro-batch is: its tokens, and the operations of its forward and backward over all stages. */
  readonly microBatch?: MicroBatchWork | undefined;
}

interface MicroBatchWork {
  readonly tokens: number;
  readonly flops: number;
}

function meanOf(values: readonly number[]): number | undefined {
  return values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0) / values.length;
}

function medianOf(values: readonly number[]): number | undefined {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}

/** The durations of one kind of computation, by stage. */
class Samples {
  readonly #durations: readonly number[][];

  constructor(timeline: Timeline, kind: ComputationKind, numStages: number) {
    const durations = Array.from({ length: numStages }, (): number[] => []);
    for (const { action, startMs, endMs } of eventsOf(timeline)) {
      if (action.kind === kind) durations[action.stage]!.push(endMs - startMs);
    }
    this.#durations = durations;
  }

  mean(stage: number): number | undefined {
    return meanOf(this.#durations[stage]!);
  }
}

function* eventsOf(timeline: Timeline): Generator<TimelineEvent> {
  for (const track of timeline.ranks) yield* track;
}

/**
 * The costs per stage of the measured step whose time is nearest to `stepMs`. They are means, because a step is a sum
 * in which every slow computation counts, and of one step, because a machine is not equally fast in all of them. What
 * the schedule never runs by itself is estimated: I and W as halves of B, and B as I + W.
 */
export function profileOf(
  timelines: readonly Timeline[],
  shape: Omit<Profile, "version" | "F" | "I" | "W" | "B" | "pairShare" | "activationBytes">,
  activationBytes?: PerStage,
): Profile {
  const distance = (candidate: Timeline) => Math.abs(makespanOf(candidate) - shape.stepMs);
  const timeline = timelines.reduce((a, b) => (distance(b) < distance(a) ? b : a));
  const samplesOf = (kind: ComputationKind) => new Samples(timeline, kind, shape.numStages);
  const samples = { F: samplesOf("F"), I: samplesOf("I"), W: samplesOf("W"), B: samplesOf("B") };
  const perStage = (cost: (stage: number) => number) =>
    Array.from({ length: shape.numStages }, (_, stage) => cost(stage));
  const split = (stage: number) => {
    const [input, weight] = [samples.I.mean(stage), samples.W.mean(stage)];
    return input === undefined || weight === undefined ? 0 : input + weight;
  };
  const F = perStage((stage) => samples.F.mean(stage) ?? 0);
  const B = perStage((stage) => samples.B.mean(stage) ?? split(stage));
  const shares = Array.from(eventsOf(timeline), ({ action, startMs, endMs }) =>
    action.kind === "OVERLAP_F_B"
      ? (endMs - startMs) / (F[action.forward.stage]! + B[action.backward.stage]!)
      : Number.NaN,
  ).filter(Number.isFinite);
  return {
    version: 1,
    ...shape,
    F,
    I: perStage((stage) => samples.I.mean(stage) ?? B[stage]! / 2),
    W: perStage((stage) => samples.W.mean(stage) ?? B[stage]! / 2),
    B,
    // A pair that waited for its gradient looks longer than it is.
    pairShare: medianOf(shares) ?? 1,
    ...(activationBytes === undefined ? {} : { activationBytes }),
  };
}

/** The profile's costs for the simulator. */
export function costOf({ F, I, W, B, pairShare, link, activationBytes }: Profile): CostModel {
  return { F, I, W, B, pairShare, link, ...(activationBytes === undefined ? {} : { activationBytes }) };
}

/**
 * Reads a profile from JSON text.
 * @throws ScheduleError `INVALID_COST` with the key that is wrong
 */
export function parseProfile(text: string): Profile {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    failAt("the file", "JSON", text.slice(0, 40));
  }
  if (typeof value !== "object" || value === null) failAt("the file", "an object", value);
  const fields = value as Readonly<Record<string, unknown>>;
  if (fields.version !== 1) failAt("version", "1", fields.version);
  if (typeof fields.schedule !== "string") failAt("schedule", "a name", fields.schedule);
  for (const key of ["numRanks", "numStages", "numMicroBatches"]) {
    if (!Number.isSafeInteger(fields[key]) || Number(fields[key]) < 1)
      failAt(key, "a whole number of at least 1", fields[key]);
  }
  if (!isCost(fields.stepMs)) failAt("stepMs", "a time of at least 0", fields.stepMs);
  for (const key of ["F", "I", "W", "B"]) {
    const costs = fields[key];
    if (!Array.isArray(costs) || costs.length !== fields.numStages || !costs.every(isCost)) {
      failAt(key, "one time of at least 0 for each stage", costs);
    }
  }
  if (!isCost(fields.pairShare)) failAt("pairShare", "a number of at least 0", fields.pairShare);
  const link = fields.link as Partial<LinkCost> | undefined;
  if (typeof link !== "object" || link === null || !isCost(link.latency)) {
    failAt("link", "an object with a latency", link);
  }
  const work = fields.microBatch as Partial<MicroBatchWork> | undefined;
  if (
    work !== undefined &&
    !(isCost(work?.tokens) && work.tokens >= 1 && isCost(work.flops) && work.flops > 0)
  )
    failAt("microBatch", "an object with tokens and flops", work);
  return value as Profile;
}

function isCost(value: unknown): value is number {
  return typeof value === "number" && value >= 0 && value < Infinity;
}

function failAt(key: string, rule: string, given: unknown): never {
  throw new ScheduleError(
    "INVALID_COST",
    `profile: ${key} must be ${rule}; got ${shown(given)}; write the file with dualpipe train --profile`,
  );
}
