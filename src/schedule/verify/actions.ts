/**
 * Checks each action by itself: it stands once, on the rank that holds its stage, after everything that it
 * needs from its own rank (including the RECV of a value from another rank). What is left to check afterwards is
 * how ranks depend on each other, see channels.ts and progress.ts.
 *
 * One pass over every rank sets a bit per cell for each kind of action seen. A rank reads and writes only cells
 * of its own stages, so "the bit of what it needs is set" means "earlier on this rank", whatever the order in which
 * the ranks are visited. A last pass over the cells finds the bits that no action has set.
 */
import { type Cells, type Flow, flowOf, NO_CELL } from "../program/cells.ts";
import { hasBackwardInputs, isSend, Opcode } from "../program/opcode.ts";
import type { Program } from "../program/program.ts";
import type { Problem, ProblemCode } from "./problem.ts";
import { nameAction } from "./problem.ts";

const SEEN = { F: 1, I: 2, W: 4, SEND_F: 8, RECV_F: 16, SEND_B: 32, RECV_B: 64 } as const;

/** What each opcode does to its cell; a pair does something to two cells and is checked as its two parts. */
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

/** What each flow needs: the computation that makes its value, or the RECV that brings it. */
const FLOW = {
  F: { kind: "F", made: SEEN.F, receive: "RECV_F", received: SEEN.RECV_F },
  B: { kind: "I", made: SEEN.I, receive: "RECV_B", received: SEEN.RECV_B },
} as const;

/** Checks that every action stands once, on its rank, after what it needs on the same rank. */
export class ActionCheck {
  readonly #program: Program;
  readonly #maxProblems: number;
  readonly #cells: Cells;
  readonly #seen: Uint8Array;
  readonly #communicates: boolean;
  readonly problems: Problem[] = [];

  constructor(program: Program, cells: Cells, maxProblems: number) {
    this.#program = program;
    this.#maxProblems = maxProblems;
    this.#cells = cells;
    this.#seen = new Uint8Array(this.#cells.numCells);
    this.#communicates = program.communication !== "none";
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
    const owner = this.#cells.rankOf(cell);
    if (owner !== rank) {
      this.#report("misplaced", rank, index, `must be on rank ${owner}, which holds the stage`);
      return;
    }
    const seen = this.#seen[cell]!;
    const doing = SEEN_BY_OPCODE[opcode]!;
    if (seen & doing) this.#report("repeated", rank, index, "must stand once");
    this.#seen[cell] = seen | doing;
    if (opcode === Opcode.F) {
      this.#checkInput(rank, index, cell, "F");
    } else if (hasBackwardInputs(opcode)) {
      if (this.#program.forwardOnly) {
        this.#report("needless", rank, index, "must not be in a program of forwards only");
      } else if (!(seen & SEEN.F)) {
        this.#reportOrder(rank, index, "F", cell);
      }
      this.#checkInput(rank, index, cell, "B");
    } else if (opcode === Opcode.W) {
      if (!(seen & SEEN.I)) this.#reportOrder(rank, index, "I", cell);
    } else {
      this.#checkTransfer(rank, index, opcode, cell, seen);
    }
  }

  #checkInput(rank: number, index: number, cell: number, flow: Flow): void {
    const producer = this.#cells.producerOf(flow, cell);
    if (producer === NO_CELL) return;
    const needs = flow === "F" ? FLOW.F : FLOW.B;
    if (this.#cells.rankOf(producer) === rank) {
      if (!(this.#seen[producer]! & needs.made)) this.#reportOrder(rank, index, needs.kind, producer);
    } else if (this.#communicates && !(this.#seen[cell]! & needs.received)) {
      this.#reportOrder(rank, index, needs.receive, cell);
    }
  }

  #checkTransfer(rank: number, index: number, opcode: number, cell: number, seen: number): void {
    const { forwardOnly } = this.#program;
    const peer = this.#cells.peerOf(opcode, cell);
    const flow = flowOf(opcode);
    if (!this.#communicates) {
      this.#report("needless", rank, index, "must not be in a program of computations only");
    } else if (peer === NO_CELL || (forwardOnly && flow === "B") || this.#cells.rankOf(peer) === rank) {
      this.#report("needless", rank, index, "must lead to a stage on another rank");
    } else if (isSend(opcode) && !(seen & (flow === "F" ? FLOW.F : FLOW.B).made)) {
      this.#reportOrder(rank, index, FLOW[flow].kind, cell, flow === "B" ? " or B" : "");
    }
  }

  #checkComplete(): void {
    for (let cell = 0; cell < this.#seen.length; cell++) {
      const missing = this.#expected(cell) & ~this.#seen[cell]!;
      if (missing !== 0) this.#reportMissing(cell, missing);
      if (this.problems.length >= this.#maxProblems) return;
    }
  }

  #expected(cell: number): number {
    const { forwardOnly, communication } = this.#program;
    let expected: number = forwardOnly ? SEEN.F : SEEN.F | SEEN.I | SEEN.W;
    if (communication === "none") return expected;
    const rank = this.#cells.rankOf(cell);
    const previous = this.#cells.producerOf("F", cell);
    if (previous !== NO_CELL && this.#cells.rankOf(previous) !== rank) {
      expected |= forwardOnly ? SEEN.RECV_F : SEEN.RECV_F | SEEN.SEND_B;
    }
    const next = this.#cells.consumerOf("F", cell);
    if (next !== NO_CELL && this.#cells.rankOf(next) !== rank) {
      expected |= forwardOnly ? SEEN.SEND_F : SEEN.SEND_F | SEEN.RECV_B;
    }
    return expected;
  }

  #reportMissing(cell: number, missing: number): void {
    const { schedule, ranks } = this.#program;
    const names = Object.entries(SEEN).flatMap(([kind, bit]) =>
      missing & bit ? [this.#cells.nameOf(kind, cell)] : [],
    );
    const rank = this.#cells.rankOf(cell);
    this.problems.push({
      code: "missing",
      rank,
      actionIndex: ranks[rank]!.length,
      message: `program ${schedule}: rank ${rank} must run every action once; ${names.join(", ")} missing; add it`,
    });
  }

  #reportOrder(rank: number, actionIndex: number, kind: string, cell: number, alternative = ""): void {
    const needed = this.#cells.nameOf(kind, cell);
    this.#report("out-of-order", rank, actionIndex, `must come after ${needed}${alternative}`);
  }

  #report(code: ProblemCode, rank: number, actionIndex: number, rule: string): void {
    const name = nameAction(this.#program, { rank, actionIndex });
    this.problems.push({
      code,
      rank,
      actionIndex,
      message: `program ${this.#program.schedule}: ${name} ${rule}; it is action ${actionIndex} of rank ${rank}; move or remove it`,
    });
  }
}
