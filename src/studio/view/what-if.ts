/*
 * Disturbances of a step: a rank or a link that stands still, a stage that is slower. They are texts, as they stand in
 * the address: `2@10+5` is rank 2 from time 10 for 5, `2-3@10+5` the link from rank 2 to rank 3, `1x2.5` stage 1 that
 * takes 2.5 times as long.
 */
import { type CostModel, type PerStage, ScheduleError, type Stall } from "../../schedule/index.ts";

export interface SlowStage {
  readonly stage: number;
  readonly factor: number;
}

const NUMBER = String.raw`(\d{1,12}(?:\.\d{1,12})?)`;
const STALL = new RegExp(String.raw`^(\d{1,6})(?:-(\d{1,6}))?@${NUMBER}\+${NUMBER}$`);
const SLOW = new RegExp(String.raw`^(\d{1,6})x${NUMBER}$`);

/** @throws ScheduleError `INVALID_COST` */
export function parseStall(text: string): Stall {
  const match = STALL.exec(text);
  if (match === null) fail("stall", "RANK@START+TIME or RANK-RANK@START+TIME", text, "2@10+5");
  const [, rank, to, from, duration] = match;
  const stall = { rank: Number(rank), from: Number(from), duration: Number(duration) };
  return to === undefined ? stall : { ...stall, to: Number(to) };
}

/** @throws ScheduleError `INVALID_COST` */
export function parseSlowStage(text: string): SlowStage {
  const match = SLOW.exec(text);
  if (match === null) fail("slow stage", "STAGExFACTOR", text, "1x2.5");
  return { stage: Number(match[1]), factor: Number(match[2]) };
}

function fail(what: string, rule: string, given: string, example: string): never {
  throw new ScheduleError(
    "INVALID_COST",
    `${what}: must be ${rule}; got ${given.slice(0, 40)}; write ${example}`,
  );
}

/** A disturbance in words. */
export function stallInWords(text: string): string {
  const { rank, to, from, duration } = parseStall(text);
  const what = to === undefined ? `rank ${rank}` : `the link from rank ${rank} to ${to}`;
  return `${what} stands still from ${from} for ${duration}`;
}

/** The cost with some stages slower. @throws ScheduleError `INVALID_COST` for a stage that does not exist. */
export function slowedCost(cost: CostModel, slow: readonly SlowStage[], numStages: number): CostModel {
  if (slow.length === 0) return cost;
  const factors = new Float64Array(numStages).fill(1);
  for (const { stage, factor } of slow) {
    if (stage >= numStages) fail("slow stage", `a stage under ${numStages}`, String(stage), `0x${factor}`);
    factors[stage]! *= factor;
  }
  const slowed = (values: PerStage) =>
    Array.from(
      factors,
      (factor, stage) => factor * (typeof values === "number" ? values : (values[stage] ?? 0)),
    );
  const { F, I, W, B, FB } = cost;
  return {
    ...cost,
    F: slowed(F),
    I: slowed(I),
    W: slowed(W),
    ...(B === undefined ? {} : { B: slowed(B) }),
    ...(FB === undefined ? {} : { FB: slowed(FB) }),
  };
}
