import { Opcode } from "../program/action-list.ts";
import { ranksOfCells } from "../program/placement.ts";
import type { Program } from "../program/program.ts";
import type { Problem, ProblemCode } from "./problem.ts";
import { nameAction } from "./problem.ts";

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
  readonly #rankOfCell: Uint32Array;
  readonly problems: Problem[] = [];

  constructor(program: Program, maxProblems: number) {
    this.#program = program;
    this.#maxProblems = maxProblems;
    this.#seen = new Uint8Array(program.numStages * program.numMicroBatches);
    this.#rankOfCell = ranksOfCells(program.placement);
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
    if (cell >= this.#seen.length) {
      this.#report("misplaced", rank, index, `must name a stage under ${this.#program.numStages}`);
      return;
    }
    const owner = this.#rankOfCell[cell]!;
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
        this.#checkInput(rank, index, cell, cell - this.#program.numMicroBatches, "F");
        break;
      case Opcode.I:
      case Opcode.B:
        if (this.#program.forwardOnly) {
          this.#report("needless", rank, index, "must not be in a program of forwards only");
        } else if (!(seen & SEEN.F)) {
          this.#report("out-of-order", rank, index, `must come after ${this.#name("F", cell)}`);
        }
        this.#checkInput(rank, index, cell, cell + this.#program.numMicroBatches, "B");
        break;
      case Opcode.W:
        if (!(seen & SEEN.I)) {
          this.#report("out-of-order", rank, index, `must come after ${this.#name("I", cell)}`);
        }
        break;
      default:
        this.#checkTransfer(rank, index, opcode, cell, seen);
    }
  }

  #checkInput(rank: number, index: number, cell: number, source: number, flow: "F" | "B"): void {
    if (source < 0 || source >= this.#seen.length) return;
    if (this.#rankOfCell[source] === rank) {
      if (this.#seen[source]! & (flow === "F" ? SEEN.F : SEEN.I)) return;
      this.#report(
        "out-of-order",
        rank,
        index,
        `must come after ${this.#name(flow === "F" ? "F" : "I", source)}`,
      );
    } else if (this.#program.communication !== "none") {
      if (this.#seen[cell]! & (flow === "F" ? SEEN.RECV_F : SEEN.RECV_B)) return;
      this.#report("out-of-order", rank, index, `must come after ${this.#name(`RECV_${flow}`, cell)}`);
    }
  }

  #checkTransfer(rank: number, index: number, opcode: number, cell: number, seen: number): void {
    const { communication, forwardOnly, numMicroBatches } = this.#program;
    const peer =
      opcode === Opcode.SEND_F || opcode === Opcode.RECV_B ? cell + numMicroBatches : cell - numMicroBatches;
    const hasPeer = peer >= 0 && peer < this.#seen.length;
    const isBackward = opcode === Opcode.SEND_B || opcode === Opcode.RECV_B;
    if (communication === "none") {
      this.#report("needless", rank, index, "must not be in a program of computations only");
    } else if (!hasPeer || (forwardOnly && isBackward) || this.#rankOfCell[peer] === rank) {
      this.#report("needless", rank, index, "must lead to a stage on another rank");
    } else if (opcode === Opcode.SEND_F && !(seen & SEEN.F)) {
      this.#report("out-of-order", rank, index, `must come after ${this.#name("F", cell)}`);
    } else if (opcode === Opcode.SEND_B && !(seen & SEEN.I)) {
      this.#report("out-of-order", rank, index, `must come after ${this.#name("I", cell)} or B`);
    }
  }

  #name(kind: string, cell: number): string {
    const { numMicroBatches } = this.#program;
    const stage = Math.floor(cell / numMicroBatches);
    return `${stage}${kind}${cell - stage * numMicroBatches}`;
  }

  #checkComplete(): void {
    for (let cell = 0; cell < this.#seen.length; cell++) {
      const missing = this.#expected(cell) & ~this.#seen[cell]!;
      if (missing !== 0) this.#reportMissing(cell, missing);
      if (this.problems.length >= this.#maxProblems) return;
    }
  }

  #expected(cell: number): number {
    const { forwardOnly, communication, numMicroBatches } = this.#program;
    let expected: number = forwardOnly ? SEEN.F : SEEN.F | SEEN.I | SEEN.W;
    if (communication === "none") return expected;
    const rank = this.#rankOfCell[cell]!;
    if (cell >= numMicroBatches && this.#rankOfCell[cell - numMicroBatches] !== rank) {
      expected |= forwardOnly ? SEEN.RECV_F : SEEN.RECV_F | SEEN.SEND_B;
    }
    if (cell + numMicroBatches < this.#seen.length && this.#rankOfCell[cell + numMicroBatches] !== rank) {
      expected |= forwardOnly ? SEEN.SEND_F : SEEN.SEND_F | SEEN.RECV_B;
    }
    return expected;
  }

  #reportMissing(cell: number, missing: number): void {
    const { schedule, ranks } = this.#program;
    const names = Object.entries(SEEN).flatMap(([kind, bit]) =>
      missing & bit ? [this.#name(kind, cell)] : [],
    );
    const rank = this.#rankOfCell[cell]!;
    this.problems.push({
      code: "missing",
      rank,
      actionIndex: ranks[rank]!.length,
      message: `${schedule}: rank ${rank} must run every action once; ${names.join(", ")} missing; add it`,
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
