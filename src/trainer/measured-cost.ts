import type { CostModel, Timeline } from "../schedule/index.ts";

/** Durations of one kind of computation, by stage. */
class Durations {
  readonly #sums: Float64Array;
  readonly #counts: Float64Array;

  constructor(numStages: number) {
    this.#sums = new Float64Array(numStages);
    this.#counts = new Float64Array(numStages);
  }

  add(stage: number, durationMs: number): void {
    this.#sums[stage]! += durationMs;
    this.#counts[stage]! += 1;
  }

  /** The mean of a stage, or undefined when it had none. */
  mean(stage: number): number | undefined {
    return this.#counts[stage] === 0 ? undefined : this.#sums[stage]! / this.#counts[stage]!;
  }
}

/**
 * What each computation took in a recorded step, in ms, as a cost model for the simulator. Where a stage never ran an I or
 * a W by itself, each counts as half of its B.
 */
export function measuredCost(timeline: Timeline, numStages: number): CostModel {
  const of = {
    F: new Durations(numStages),
    I: new Durations(numStages),
    W: new Durations(numStages),
    B: new Durations(numStages),
  };
  const pairs = new Durations(numStages);
  for (const track of timeline.ranks)
    for (const { action, startMs, endMs } of track) {
      const durationMs = endMs - startMs;
      switch (action.kind) {
        case "F":
        case "I":
        case "W":
        case "B":
          of[action.kind].add(action.stage, durationMs);
          break;
        case "OVERLAP_F_B":
          pairs.add(action.forward.stage, durationMs);
          pairs.add(action.backward.stage, durationMs);
          break;
        default:
          break;
      }
    }
  const stages = Array.from({ length: numStages }, (_, stage) => stage);
  const pairOr = (stage: number, share: number): number => (pairs.mean(stage) ?? 0) * share;
  const F = stages.map((stage) => of.F.mean(stage) ?? pairOr(stage, 1 / 3));
  const halfB = (stage: number): number => (of.B.mean(stage) ?? pairOr(stage, 2 / 3)) / 2;
  const I = stages.map((stage) => of.I.mean(stage) ?? halfB(stage));
  const W = stages.map((stage) => of.W.mean(stage) ?? halfB(stage));
  const B = stages.map((stage) => of.B.mean(stage) ?? I[stage]! + W[stage]!);
  const FB = stages.map((stage) => pairs.mean(stage) ?? F[stage]! + B[stage]!);
  return { F, I, W, B, FB, link: { latency: 0 } };
}
