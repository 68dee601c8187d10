import { ScheduleError } from "./schedule-error.ts";

/** F: forward. I: backward for inputs. W: backward for weights. B: full backward, which is I, then W. */
export type ComputationKind = "F" | "I" | "W" | "B";

/** `SEND_F`/`RECV_F` move activations to the next stage, `SEND_B`/`RECV_B` gradients to the previous one. */
export type CommunicationKind = "SEND_F" | "RECV_F" | "SEND_B" | "RECV_B";

/** One computation of one stage on one micro-batch. */
export interface Computation<Kind extends ComputationKind = ComputationKind> {
  readonly kind: Kind;
  readonly stage: number;
  readonly microBatch: number;
}

/** The forward of one micro-batch overlapped with the full backward of another (F&B). */
export interface OverlappedPair {
  readonly kind: "OVERLAP_F_B";
  readonly forward: Computation<"F">;
  readonly backward: Computation<"B">;
}

/** One side of a transfer, by its own stage: stage 2 sends with `2SEND_F7`, and stage 3 receives with `3RECV_F7`. */
export interface Communication {
  readonly kind: CommunicationKind;
  readonly stage: number;
  readonly microBatch: number;
}

export type Action = Computation | OverlappedPair | Communication;

/** Whether the action computes; the others only move data. */
export function isComputation(action: Action): action is Computation | OverlappedPair {
  return action.kind.length === 1 || action.kind === "OVERLAP_F_B";
}

const SIMPLE = /^(\d{1,9})(F|I|W|B|SEND_F|RECV_F|SEND_B|RECV_B)(\d{1,9})$/;
const PAIR = /^\((\d{1,9})F(\d{1,9});(\d{1,9})B(\d{1,9})\)OVERLAP_F_B$/;

/**
 * Reads one action in the notation of torch.distributed.pipelining, such as `2F7` or `(2F7;5B1)OVERLAP_F_B`.
 * @throws ScheduleError `INVALID_ACTION`
 */
export function parseAction(text: string): Action {
  const simple = SIMPLE.exec(text);
  if (simple) {
    const kind = simple[2] as ComputationKind | CommunicationKind;
    return { kind, stage: Number(simple[1]), microBatch: Number(simple[3]) };
  }
  const pair = PAIR.exec(text);
  if (pair) {
    return {
      kind: "OVERLAP_F_B",
      forward: { kind: "F", stage: Number(pair[1]), microBatch: Number(pair[2]) },
      backward: { kind: "B", stage: Number(pair[3]), microBatch: Number(pair[4]) },
    };
  }
  throw new ScheduleError(
    "INVALID_ACTION",
    `action: must be STAGE, one of F I W B SEND_F RECV_F SEND_B RECV_B, MICRO-BATCH, or a pair; ` +
      `got ${JSON.stringify(text.slice(0, 60))}; write for example 2F7 or (2F7;5B1)OVERLAP_F_B`,
  );
}

/** Writes an action in the notation that `parseAction` reads. */
export function formatAction(action: Action): string {
  if (action.kind === "OVERLAP_F_B") {
    return `(${formatAction(action.forward)};${formatAction(action.backward)})OVERLAP_F_B`;
  }
  return `${action.stage}${action.kind}${action.microBatch}`;
}
