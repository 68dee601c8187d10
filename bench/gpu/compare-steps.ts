import { formatAction, makespanOf, type Timeline, type TimelineTrack } from "../../src/schedule/index.ts";

/** When one card had nothing to compute, in ms. */
export interface IdleTime {
  readonly beforeFirst: number;
  readonly between: number;
  readonly afterLast: number;
}

/** A measured step next to the simulated one of the same program. */
export interface StepComparison {
  readonly step: string;
  readonly measuredMs: number;
  readonly simulatedMs: number;
  /** Whether every rank computed what the program says, in its order. */
  readonly hasSameOrder: boolean;
  /** One for each rank. */
  readonly measuredIdle: readonly IdleTime[];
  readonly simulatedIdle: readonly IdleTime[];
}

export function compareSteps(measured: Timeline, simulated: Timeline, step: string): StepComparison {
  const orderOf = (track: TimelineTrack) => Array.from(track, ({ action }) => formatAction(action)).join(" ");
  const idle = (timeline: Timeline) => timeline.ranks.map((track) => idleTimeOf(track, makespanOf(timeline)));
  return {
    step,
    measuredMs: makespanOf(measured),
    simulatedMs: makespanOf(simulated),
    hasSameOrder: measured.ranks.every((track, rank) => orderOf(track) === orderOf(simulated.ranks[rank]!)),
    measuredIdle: idle(measured),
    simulatedIdle: idle(simulated),
  };
}

function idleTimeOf(track: TimelineTrack, makespan: number): IdleTime {
  const { startsMs, endsMs, length } = track;
  let between = 0;
  for (let i = 1; i < length; i++) between += Math.max(0, startsMs[i]! - endsMs[i - 1]!);
  return { beforeFirst: startsMs[0]!, between, afterLast: makespan - endsMs[length - 1]! };
}
