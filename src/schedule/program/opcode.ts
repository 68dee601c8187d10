import type { Action } from "./action.ts";

/** The numbers under which an `ActionList` stores kinds of actions; those of computations come first. */
export const Opcode = {
  F: 0,
  I: 1,
  W: 2,
  B: 3,
  OVERLAP_F_B: 4,
  SEND_F: 5,
  RECV_F: 6,
  SEND_B: 7,
  RECV_B: 8,
} as const satisfies Record<Action["kind"], number>;

export type Opcode = (typeof Opcode)[keyof typeof Opcode];

/** The kind of action of each opcode. */
export const KIND_OF_OPCODE = Object.keys(Opcode) as readonly Action["kind"][];

/** Whether the action runs a forward: an F or a pair. */
export function hasForward(opcode: number): boolean {
  return opcode === Opcode.F || opcode === Opcode.OVERLAP_F_B;
}

/** Whether the action runs a backward for inputs: an I, a B or a pair. */
export function hasBackwardInputs(opcode: number): boolean {
  return opcode === Opcode.I || opcode === Opcode.B || opcode === Opcode.OVERLAP_F_B;
}

/** Whether the action runs a backward for weights: a W, a B or a pair. */
export function hasBackwardWeights(opcode: number): boolean {
  return opcode === Opcode.W || opcode === Opcode.B || opcode === Opcode.OVERLAP_F_B;
}

/** Whether the action moves a value between ranks; all others compute. */
export function isTransfer(opcode: number): boolean {
  return opcode > Opcode.OVERLAP_F_B;
}

export function isSend(opcode: number): boolean {
  return opcode === Opcode.SEND_F || opcode === Opcode.SEND_B;
}

export function isReceive(opcode: number): boolean {
  return opcode === Opcode.RECV_F || opcode === Opcode.RECV_B;
}
