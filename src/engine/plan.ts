import {
  type Action,
  type Communication,
  type Computation,
  type OverlappedPair,
  type Program,
  peerOf,
  rankOf,
} from "../schedule/index.ts";

/** A computation of one rank, with the transfers that start when its values exist. */
export interface PlannedComputation {
  readonly action: Computation | OverlappedPair;
  readonly forward: PlannedForward | undefined;
  readonly backward: PlannedBackward | undefined;
}

export interface PlannedForward {
  readonly stage: number;
  readonly microBatch: number;
  /** Where the outputs go: another rank, the next stage on this one, or nowhere after the last stage. */
  readonly outputTo: number | "here" | "nowhere";
}

export interface PlannedBackward {
  readonly kind: "I" | "W" | "B";
  readonly stage: number;
  readonly microBatch: number;
  /** Where the input gradients go; `nowhere` before the first stage. */
  readonly inputGradTo: number | "here" | "nowhere";
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
      // A send belongs to the computation before it, which knows from the placement where its values go.
      case "SEND_F":
      case "SEND_B":
        break;
      default:
        plan.push(planComputation(program, rank, action));
    }
  }
  return plan;
}

function planComputation(
  program: Program,
  rank: number,
  action: Exclude<Action, Communication>,
): PlannedComputation {
  const goal = (stage: number, microBatch: number): number | "here" | "nowhere" => {
    if (stage < 0 || stage >= program.numStages) return "nowhere";
    const peer = rankOf(program.placement, stage, microBatch);
    return peer === rank ? "here" : peer;
  };
  const forward = ({ stage, microBatch }: Computation): PlannedForward => ({
    stage,
    microBatch,
    outputTo: goal(stage + 1, microBatch),
  });
  const backward = ({ kind, stage, microBatch }: Computation): PlannedBackward => ({
    kind: kind as PlannedBackward["kind"],
    stage,
    microBatch,
    inputGradTo: goal(stage - 1, microBatch),
  });
  switch (action.kind) {
    case "F":
      return { action, forward: forward(action), backward: undefined };
    case "I":
    case "W":
    case "B":
      return { action, forward: undefined, backward: backward(action) };
    case "OVERLAP_F_B":
      return { action, forward: forward(action.forward), backward: backward(action.backward) };
    default:
      return action satisfies never;
  }
}
