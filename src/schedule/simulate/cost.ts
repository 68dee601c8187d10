import { counted } from "../../errors/counted.ts";
import { shown } from "../../errors/shown.ts";
import { ScheduleError } from "../program/schedule-error.ts";

/** One cost for all stages, or one for each. */
export type PerStage = number | readonly number[];

/** The cost of an edge: a transfer of `size` bytes takes `latency + size / bandwidth`. */
export interface LinkCost {
  readonly latency: number;
  /** Bytes per unit of time; no limit unless given. Each channel of an edge has the whole bandwidth. */
  readonly bandwidth?: number | undefined;
}

/** The cost of one directed edge, in place of `link`. */
export interface EdgeCost extends LinkCost {
  readonly from: number;
  readonly to: number;
}

/** The time of computations and transfers, in any unit. */
export interface CostModel {
  readonly F: PerStage;
  readonly I: PerStage;
  readonly W: PerStage;
  /** A full backward; I + W unless given. */
  readonly B?: PerStage | undefined;
  /** An overlapped pair; the mean of the values of its two stages. */
  readonly FB?: PerStage | undefined;
  /** An overlapped pair as a share of its F + B, unless FB is given; 1 unless given. */
  readonly pairShare?: number | undefined;
  /** Whether activations are recomputed before each backward, so that I and B take F longer. */
  readonly recompute?: boolean | undefined;
  readonly link: LinkCost;
  readonly edges?: readonly EdgeCost[] | undefined;
  /** Bytes of one micro-batch's output of a stage, and of the gradient that comes back for it. */
  readonly activationBytes?: PerStage | undefined;
}

/** Sums of costs must stay finite. */
const COST_MAX = 1e100;

/** F = I = W = 1 and transfers that take no time. */
export const UNIT_COST: CostModel = { F: 1, I: 1, W: 1, link: { latency: 0 } };

/** A cost model with one value per stage, for loops over whole programs. */
export interface StageCosts {
  readonly F: Float64Array;
  readonly I: Float64Array;
  readonly W: Float64Array;
  readonly B: Float64Array;
  /** A pair costs this at the stage of its forward and `pairBackward` at the stage of its backward. */
  readonly pairForward: Float64Array;
  readonly pairBackward: Float64Array;
  readonly bytes: Float64Array;
}

/** The cost as one value per stage. @throws ScheduleError `INVALID_COST` */
export function spreadOverStages(subject: string, cost: PerStage, numStages: number): Float64Array {
  const values = typeof cost === "number" ? new Float64Array(numStages).fill(cost) : Float64Array.from(cost);
  if (values.length !== numStages || values.some((value) => !(value >= 0 && value <= COST_MAX))) {
    throw new ScheduleError(
      "INVALID_COST",
      `cost: ${subject} must be a number from 0 to ${COST_MAX}, or one for each of ${counted(numStages, "stage")}; ` +
        `got ${shown(cost)}; correct it`,
    );
  }
  return values;
}

function checkLink({ latency, bandwidth }: LinkCost): void {
  if (latency >= 0 && latency <= COST_MAX && (bandwidth === undefined || bandwidth > 0)) return;
  throw new ScheduleError(
    "INVALID_COST",
    `cost: a link's latency must be from 0 to ${COST_MAX} and its bandwidth over 0; got ${latency} and ${bandwidth}; ` +
      `correct them`,
  );
}

/** @throws ScheduleError `INVALID_COST` */
export function stageCosts(cost: CostModel, numStages: number): StageCosts {
  for (const link of [cost.link, ...(cost.edges ?? [])]) checkLink(link);
  const F = spreadOverStages("F", cost.F, numStages);
  const again = F.map((value) => (cost.recompute ? value : 0));
  const withAgain = (value: number, stage: number) => value + again[stage]!;
  const I = spreadOverStages("I", cost.I, numStages).map(withAgain);
  const W = spreadOverStages("W", cost.W, numStages);
  const B =
    cost.B === undefined
      ? I.map((value, stage) => value + W[stage]!)
      : spreadOverStages("B", cost.B, numStages).map(withAgain);
  const half = cost.FB === undefined ? undefined : spreadOverStages("FB", cost.FB, numStages).map(halved);
  const share = spreadOverStages("pairShare", cost.pairShare ?? 1, numStages);
  return {
    F,
    I,
    W,
    B,
    pairForward: half ?? F.map((value, stage) => value * share[stage]!),
    pairBackward: half?.map(withAgain) ?? B.map((value, stage) => value * share[stage]!),
    bytes: spreadOverStages("activationBytes", cost.activationBytes ?? 0, numStages),
  };
}

function halved(value: number): number {
  return value / 2;
}
