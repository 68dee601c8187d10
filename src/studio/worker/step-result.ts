/*
 * A simulated step as it travels from the worker thread to the page. A timeline is made of typed arrays, whose memory
 * changes hands instead of being copied; only its classes are lost on the way, and `timelineOfResult` gives them back.
 */
import {
  ActionList,
  type BubbleCauses,
  type Placement,
  type Problem,
  type Timeline,
  TimelineTrack,
} from "../../schedule/index.ts";

/** One rank's computations in columns. */
export interface TrackColumns {
  readonly opcodes: Uint8Array;
  readonly cells: Uint32Array;
  readonly backwardCells: Uint32Array;
  readonly startsMs: Float64Array;
  readonly endsMs: Float64Array;
}

/** Memory of a rank: each amount lasts until the next time. */
export interface MemoryColumns {
  readonly times: Float64Array;
  readonly amounts: Float64Array;
  readonly peak: number;
}

export interface StepResult {
  readonly schedule: string;
  readonly title: string;
  readonly source: string;
  readonly numRanks: number;
  readonly numStages: number;
  readonly numMicroBatches: number;
  readonly placement: Placement;
  readonly tracks: readonly TrackColumns[];
  readonly makespan: number;
  readonly work: readonly number[];
  readonly bubble: readonly number[];
  readonly bubbleRatio: number;
  readonly bubbleCauses: readonly BubbleCauses[];
  readonly peakActivations: readonly number[];
  /** Empty in the first answer for a large step. */
  readonly memory: readonly MemoryColumns[];
}

/** What the worker answers: a step, or what is wrong with the settings. */
export type StepAnswer =
  | { readonly step: StepResult }
  | { readonly problem: string; readonly problems?: readonly Problem[] };

/** The timeline of a result. */
export function timelineOfResult({ schedule, numMicroBatches, tracks }: StepResult): Timeline {
  const ranks = tracks.map(({ opcodes, cells, backwardCells, startsMs, endsMs }) => {
    const actions = new ActionList(numMicroBatches, opcodes, cells, backwardCells);
    return new TimelineTrack(actions, startsMs, endsMs);
  });
  return { schedule, ranks };
}

/** The arrays of a result, whose memory can change hands. */
export function buffersOf({ tracks, memory }: StepResult): ArrayBuffer[] {
  return [
    ...tracks.flatMap((track) => Object.values(track) as Uint8Array[]),
    ...memory.flatMap(({ times, amounts }) => [times, amounts]),
  ].map(({ buffer }) => buffer as ArrayBuffer);
}
