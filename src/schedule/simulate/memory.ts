/**
 * Memory over time, from a timeline that was simulated or measured.
 *
 * Nothing has to be tracked per tensor: what a rank holds changes only at three moments of a micro-batch at a stage.
 * The start of its F adds its activations; the end of its I frees what only the input gradients needed; the end of its
 * W frees the rest. A B is its I and W at once. So each computation becomes one change at a known time, and the running
 * sum over the sorted changes is the answer. A peak is exact, because between two changes nothing moves. Within a pair
 * the forward's activations count from the start and the backward's until the end, which is its true worst case.
 */
import type { Action } from "../program/action.ts";
import { type Placement, stagesOf } from "../program/placement.ts";
import { type PerStage, spreadOverStages } from "./cost.ts";
import type { Timeline, TimelineTrack } from "./timeline.ts";

/** What a stage keeps in memory, in any unit (bytes, or micro-batches). */
export interface MemoryModel {
  /** Weights, gradients and optimizer state of a stage, for the whole step. */
  readonly weights: PerStage;
  /** What a stage keeps of a micro-batch from the start of its forward. */
  readonly activations: PerStage;
  /** The part of the activations that W still needs after I; all of them unless given. */
  readonly activationsForWeights?: PerStage;
}

/** Memory of one rank; each amount lasts until the next time. */
export interface MemoryTrack {
  readonly times: readonly number[];
  readonly amounts: readonly number[];
  readonly peak: number;
}

interface Change {
  readonly time: number;
  readonly amount: number;
}

/** The memory of every rank over time. @throws ScheduleError `INVALID_COST` */
export function memoryOverTime(timeline: Timeline, placement: Placement, model: MemoryModel): MemoryTrack[] {
  const { numStages } = placement;
  const weights = spreadOverStages("weights", model.weights, numStages);
  const held = spreadOverStages("activations", model.activations, numStages);
  const heldForWeights = spreadOverStages(
    "activationsForWeights",
    model.activationsForWeights ?? model.activations,
    numStages,
  );
  return timeline.ranks.map((track, rank) => {
    const base = stagesOf(placement, rank).reduce((sum, stage) => sum + weights[stage]!, 0);
    return accumulate(base, changesOf(track, held, heldForWeights));
  });
}

function changesOf(track: TimelineTrack, held: Float64Array, heldForWeights: Float64Array): Change[] {
  const changes: Change[] = [];
  const addChanges = (action: Action, startMs: number, endMs: number): void => {
    switch (action.kind) {
      case "F":
        changes.push({ time: startMs, amount: held[action.stage]! });
        break;
      case "I":
        changes.push({ time: endMs, amount: heldForWeights[action.stage]! - held[action.stage]! });
        break;
      case "W":
        changes.push({ time: endMs, amount: -heldForWeights[action.stage]! });
        break;
      case "B":
        changes.push({ time: endMs, amount: -held[action.stage]! });
        break;
      case "OVERLAP_F_B":
        addChanges(action.forward, startMs, endMs);
        addChanges(action.backward, startMs, endMs);
        break;
      case "SEND_F":
      case "RECV_F":
      case "SEND_B":
      case "RECV_B":
        break;
      default:
        action satisfies never;
    }
  };
  for (const { action, startMs, endMs } of track) addChanges(action, startMs, endMs);
  return changes;
}

/** The running sum of the changes; those inside a pair are not in order of time yet. */
function accumulate(base: number, changes: Change[]): MemoryTrack {
  const times = [0];
  const amounts = [base];
  let amount = base;
  let peak = base;
  for (const change of changes.toSorted((a, b) => a.time - b.time)) {
    amount += change.amount;
    if (change.time > times.at(-1)!) {
      times.push(change.time);
      amounts.push(amount);
    } else {
      amounts[amounts.length - 1] = amount;
    }
    peak = Math.max(peak, amounts.at(-1)!);
  }
  return { times, amounts, peak };
}
