// What one rank does in a step: its actions with everything resolved that the executor would have to ask the schedule
// for.
//
// A program says which rank runs F7 of stage 2, but not where the outputs go: to another rank, to the
// next stage on this one, or nowhere. A send of the program says it twice. And when a stage has run its last backward,
// which is when its weight gradients can travel, only the rest of the program tells. If the executor looked these up as
// it ran, it would know placements and directions, and its tests would need them.
//
// So `planRank` resolves them once per program: each computation gets the destination of its results and the stage
// whose weight gradients it completes, and each receive its peer. Sends disappear: a value leaves when it exists. The
// executor then walks a list. Invariant: the plans of two ranks that send to one another list the values of each
// channel in the same order, because both come from one verified program.
import type { Action, Communication, Computation, OverlappedPair } from "../schedule/program/action.ts";
import { peerOf, rankOf } from "../schedule/program/placement.ts";
import type { Program } from "../schedule/program/program.ts";

/** A computation of one rank, with the transfers that start when its values exist. */
export interface PlannedComputation {
  readonly action: Computation | OverlappedPair;
  readonly forward: PlannedForward | undefined;
  readonly backward: PlannedBackward | undefined;
  /** The stage whose weight gradients this computation is the last to add to. */
  readonly completes: number | undefined;
}

/** Another rank, the next stage on this one, or nowhere at either end of the model. */
export type Destination = number | "here" | "nowhere";

export interface PlannedForward {
  readonly stage: number;
  readonly microBatch: number;
  readonly outputTo: Destination;
}

export interface PlannedBackward {
  readonly kind: "I" | "W" | "B";
  readonly stage: number;
  readonly microBatch: number;
  /** True in the last stage, whose backward starts from the loss and not from gradients of its outputs. */
  readonly startsFromLoss: boolean;
  readonly inputGradTo: Destination;
}

export interface PlannedReceive {
  readonly receive: Communication;
  readonly peer: number;
}

/** One rank's part of a lowered program, in order, as the executor runs it. */
export type RankPlan = readonly (PlannedComputation | PlannedReceive)[];

export function planRank(program: Program, rank: number): RankPlan {
  const plan: (PlannedComputation | PlannedReceive)[] = [];
  for (const action of program.ranks[rank]!) {
    switch (action.kind) {
      case "RECV_F":
      case "RECV_B":
        plan.push({ receive: action, peer: peerOf(program.placement, action) });
        break;
      // The computation before it sends, to the destination that the placement gives.
      case "SEND_F":
      case "SEND_B":
        break;
      default:
        plan.push(planComputation(program, rank, action));
    }
  }
  return withCompletedStages(plan);
}

/** The stages of a plan in the order in which their weight gradients are complete. */
export function completionOrder(plan: RankPlan): number[] {
  return plan.flatMap((entry) => ("receive" in entry ? [] : (entry.completes ?? [])));
}

function planComputation(
  program: Program,
  rank: number,
  action: Exclude<Action, Communication>,
): PlannedComputation {
  const destination = (stage: number, microBatch: number): Destination => {
    if (stage < 0 || stage >= program.numStages) return "nowhere";
    const peer = rankOf(program.placement, stage, microBatch);
    return peer === rank ? "here" : peer;
  };
  const forward = ({ stage, microBatch }: Computation): PlannedForward => ({
    stage,
    microBatch,
    outputTo: destination(stage + 1, microBatch),
  });
  const backward = ({ kind, stage, microBatch }: Computation): PlannedBackward => ({
    kind: kind as PlannedBackward["kind"],
    stage,
    microBatch,
    startsFromLoss: stage === program.numStages - 1,
    inputGradTo: destination(stage - 1, microBatch),
  });
  const none = { forward: undefined, backward: undefined, completes: undefined };
  switch (action.kind) {
    case "F":
      return { ...none, action, forward: forward(action) };
    case "I":
    case "W":
    case "B":
      return { ...none, action, backward: backward(action) };
    case "OVERLAP_F_B":
      return { ...none, action, forward: forward(action.forward), backward: backward(action.backward) };
    default:
      return action satisfies never;
  }
}

function withCompletedStages(plan: RankPlan): RankPlan {
  const lastIndexOf = new Map<number, number>();
  plan.forEach((entry, i) => {
    if ("receive" in entry || entry.backward === undefined || entry.backward.kind === "I") return;
    lastIndexOf.set(entry.backward.stage, i);
  });
  const completedBy = new Map([...lastIndexOf].map(([stage, i]) => [i, stage]));
  return plan.map((entry, i) =>
    "receive" in entry || !completedBy.has(i) ? entry : { ...entry, completes: completedBy.get(i) },
  );
}
