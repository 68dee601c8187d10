import type { Action, ComputationKind } from "../program/action.ts";

/** One computation in a chart. */
export interface Bar {
  readonly kind: ComputationKind;
  readonly stage: number;
  readonly microBatch: number;
  readonly start: number;
  readonly end: number;
}

/** What the kinds of computations are, for a legend. */
export const KIND_IN_WORDS: Readonly<Record<ComputationKind, string>> = {
  F: "forward",
  I: "backward for inputs",
  W: "backward for weights",
  B: "both backwards",
};

/** The bars of an action. A pair is a forward of a third of its time, then the backward. */
export function barsOf(action: Action, start: number, end: number): Bar[] {
  switch (action.kind) {
    case "OVERLAP_F_B": {
      const middle = start + (end - start) / 3;
      return [...barsOf(action.forward, start, middle), ...barsOf(action.backward, middle, end)];
    }
    case "F":
    case "I":
    case "W":
    case "B":
      return [{ kind: action.kind, stage: action.stage, microBatch: action.microBatch, start, end }];
    case "SEND_F":
    case "RECV_F":
    case "SEND_B":
    case "RECV_B":
      return [];
    default:
      return action satisfies never;
  }
}
