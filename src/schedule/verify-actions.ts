import { Opcode } from "./action-list.ts";
import { rankOf } from "./placement.ts";
import type { Problem, ProblemCode } from "./problem.ts";
import { nameAction } from "./problem.ts";
import type { Program } from "./program.ts";

const SEEN = { F: 1, I: 2, W: 4, SEND_F: 8, RECV_F: 16, SEND_B: 32, RECV_B: 64 } as const;

/** What each opcode of one stage does to its cell; a pair does two things and stands apart. */
const SEEN_BY_OPCODE: readonly number[] = [
  SEEN.F,
  SEEN.I,
  SEEN.W,
  SEEN.I | SEEN.W,
  0,
  SEEN.SEND_F,
  SEEN.RECV_F,
  SEEN.SEND_B,
  SEEN.RECV_B,
];

/** Checks that every action stands once, on its rank, behind what it needs on the same rank. */
export class ActionCheck {
  readonly #program: Program;
  readonly #maxProblems: number;
  readonly #seen: Uint8Array;
  readonly #lastStage: number;
  readonly problems: Problem[] = [];

  constructor(program: Program, maxProblems: number) {
    this.#program = program;
    this.#maxProblems = maxProblems;
    this.#seen = new Uint8Array(program.numStages * program.numMicroBatches);
    this.#lastStage = program.numStages - 1;
  }

  run(): void {
    const { ranks } = this.#program;
    for (let rank = 0; rank < ranks.length; rank++) {
      const { opcodes, cells, backwardCells, length } = ranks[rank]!;
      for (let index = 0; index < length; index++) {
        if (this.problems.length >= this.#maxProblems) return;
        const opcode = opcodes[index]!;
        if (opcode === Opcode.OVERLAP_F_B) {
          this.#check(rank, index, Opcode.F, cells[index]!);
          this.#check(rank, index, Opcode.B, backwardCells[index]!);
        } else {
          this.#check(rank, index, opcode, cells[index]!);
        }
      }
    }
    this.#checkComplete();
  }

  #check(rank: number, index: number, opcode: number, cell: number): void {
    const { numMicroBatches, placement } = this.#program;
    const stage = Math.floor(cell / numMicroBatches);
    const microBatch = cell - stage * numMicroBatches;
    if (stage > this.#lastStage) {
      this.#report("misplaced", rank, index, `must name a stage under ${this.#lastStage + 1}`);
      return;
    }
    const owner = rankOf(placement, stage, microBatch);
    if (owner !== rank) {
      this.#report("misplaced", rank, index, `must be on rank ${owner}, which holds the stage`);
      return;
    }
    const seen = this.#seen[cell]!;
    const doing = SEEN_BY_OPCODE[opcode]!;
    if (seen & doing) this.#report("repeated", rank, index, "must stand once");
    this.#seen[cell] = seen | doing;
    switch (opcode) {
      case Opcode.F:
        this.#checkInput(rank, index, cell, stage, microBatch, "F");
        break;
      case Opcode.I:
      case Opcode.B:
        if (this.#program.forwardOnly) {
          this.#report("needless", rank, index, "must not be in a program of forwards only");
        } else if (!(seen & SEEN.F)) {
          this.#report("out-of-order", rank, index, `must come after ${stage}F${microBatch}`);
        }
        this.#checkInput(rank, index, cell, stage, microBatch, "B");
        break;
      case Opcode.W:
        if (!(seen & SEEN.I)) {
          this.#report("out-of-order", rank, index, `must come after ${stage}I${microBatch}`);
        }
        break;
      default:
        this.#checkTransfer(rank, index, opcode, stage, microBatch, seen);
    }
  }

  #checkInput(
    rank: number,
    index: number,
    cell: number,
    stage: number,
    microBatch: number,
    flow: "F" | "B",
  ): void {
    const sourceStage = flow === "F" ? stage - 1 : stage + 1;
    if (sourceStage < 0 || sourceStage > this.#lastStage) return;
    const { placement, communication, numMicroBatches } = this.#program;
    if (rankOf(placement, sourceStage, microBatch) === rank) {
      const sourceCell = sourceStage * numMicroBatches + microBatch;
      const done = flow === "F" ? SEEN.F : SEEN.I;
      if (this.#seen[sourceCell]! & done) return;
      const source = flow === "F" ? "F" : "backward";
      const needed = `the ${source} of stage ${sourceStage}, micro-batch ${microBatch}`;
      this.#report("out-of-order", rank, index, `must come after ${needed}`);
    } else if (communication !== "none") {
      const received = flow === "F" ? SEEN.RECV_F : SEEN.RECV_B;
      if (this.#seen[cell]! & received) return;
      this.#report("out-of-order", rank, index, `must come after ${stage}RECV_${flow}${microBatch}`);
    }
  }

  #checkTransfer(
    rank: number,
    index: number,
    opcode: number,
    stage: number,
    microBatch: number,
    seen: number,
  ): void {
    const peerStage = opcode === Opcode.SEND_F || opcode === Opcode.RECV_B ? stage + 1 : stage - 1;
    const { communication, placement, forwardOnly } = this.#program;
    const hasPeer = peerStage >= 0 && peerStage <= this.#lastStage;
    const isBackward = opcode === Opcode.SEND_B || opcode === Opcode.RECV_B;
    if (communication === "none") {
      this.#report("needless", rank, index, "must not be in a program of computations only");
    } else if (!hasPeer || (forwardOnly && isBackward) || rankOf(placement, peerStage, microBatch) === rank) {
      this.#report("needless", rank, index, "must lead to a stage on another rank");
    } else if (opcode === Opcode.SEND_F && !(seen & SEEN.F)) {
      this.#report("out-of-order", rank, index, `must come after ${stage}F${microBatch}`);
    } else if (opcode === Opcode.SEND_B && !(seen & SEEN.I)) {
      this.#report("out-of-order", rank, index, `must come after the backward of the same micro-batch`);
    }
  }

  #checkComplete(): void {
    const { numMicroBatches } = this.#program;
    for (let stage = 0; stage <= this.#lastStage; stage++) {
      for (let microBatch = 0; microBatch < numMicroBatches; microBatch++) {
        const missing =
          this.#expected(stage, microBatch) & ~this.#seen[stage * numMicroBatches + microBatch]!;
        if (missing !== 0) this.#reportMissing(stage, microBatch, missing);
        if (this.problems.length >= this.#maxProblems) return;
      }
    }
  }

  #expected(stage: number, microBatch: number): number {
    const { forwardOnly, communication, placement } = this.#program;
    let expected: number = forwardOnly ? SEEN.F : SEEN.F | SEEN.I | SEEN.W;
    if (communication === "none") return expected;
    const rank = rankOf(placement, stage, microBatch);
    if (stage > 0 && rankOf(placement, stage - 1, microBatch) !== rank) {
      expected |= forwardOnly ? SEEN.RECV_F : SEEN.RECV_F | SEEN.SEND_B;
    }
    if (stage < this.#lastStage && rankOf(placement, stage + 1, microBatch) !== rank) {
      expected |= forwardOnly ? SEEN.SEND_F : SEEN.SEND_F | SEEN.RECV_B;
    }
    return expected;
  }

  #reportMissing(stage: number, microBatch: number, missing: number): void {
    const names = Object.entries(SEEN).flatMap(([kind, bit]) =>
      missing & bit ? [`${stage}${kind}${microBatch}`] : [],
    );
    const rank = rankOf(this.#program.placement, stage, microBatch);
    this.problems.push({
      code: "missing",
      rank,
      actionIndex: this.#program.ranks[rank]!.length,
      message: `${this.#program.schedule}: rank ${rank} must run every action once; ${names.join(", ")} missing; add it`,
    });
  }

  #report(code: ProblemCode, rank: number, actionIndex: number, rule: string): void {
    const name = nameAction(this.#program, { rank, actionIndex });
    this.problems.push({
      code,
      rank,
      actionIndex,
      message: `${this.#program.schedule}: ${name} ${rule}; it is action ${actionIndex} of rank ${rank}; move or remove it`,
    });
  }
}
