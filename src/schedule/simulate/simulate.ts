import { ActionListBuilder, Opcode } from "../program/action-list.ts";
import { peakActivations } from "../program/peak-activations.ts";
import { ranksOfCells } from "../program/placement.ts";
import type { Program } from "../program/program.ts";
import { ScheduleError } from "../program/schedule-error.ts";
import { type BubbleCauses, bubbleCauses } from "./bubble-causes.ts";
import { type CostModel, type StageCosts, stageCosts } from "./cost.ts";
import { NO_CELL, RankClock } from "./rank-clock.ts";
import { makespanOf, type Timeline } from "./timeline.ts";
import { type Flow, Transfers } from "./transfers.ts";

export interface SimulateOptions {
  /**
   * Computations are not taken apart: they need all values when they start and give them when they end. Papers
   * draw and count schedules so; the engine is faster, as it moves values in the middle of B and of pairs.
   */
  readonly wholeComputations?: boolean;
}

/** What a step would take; times are in the cost model's unit. */
export interface Simulation {
  readonly timeline: Timeline;
  readonly makespan: number;
  /** Time that each rank computes. */
  readonly work: readonly number[];
  /** Time of the step in which each rank does not compute. */
  readonly bubble: readonly number[];
  readonly bubbleCauses: readonly BubbleCauses[];
  /** The bubbles' share of all ranks' time. */
  readonly bubbleRatio: number;
  /** Of each rank, in micro-batches of one stage. */
  readonly peakActivations: readonly number[];
}

/** Runs every rank as far as it can go, and again when a value that it waits for has a time of arrival. */
class Simulator {
  readonly #program: Program;
  readonly #stages: StageCosts;
  readonly #transfers: Transfers;
  readonly #clocks: RankClock[];
  readonly #runnable: number[] = [];
  readonly #numCells: number;
  readonly #rankOfCell: Uint32Array;
  readonly #isBatched: boolean;
  readonly #isWhole: boolean;

  constructor(program: Program, cost: CostModel, { wholeComputations = false }: SimulateOptions) {
    this.#program = program;
    this.#stages = stageCosts(cost, program.numStages);
    this.#transfers = new Transfers(program.placement, program.numMicroBatches, cost, this.#stages);
    const builder = new ActionListBuilder(program.numMicroBatches);
    this.#clocks = program.ranks.map((actions) => new RankClock(actions, builder));
    this.#rankOfCell = ranksOfCells(program.placement);
    this.#numCells = program.numStages * program.numMicroBatches;
    this.#isBatched = program.communication === "batched";
    this.#isWhole = wholeComputations;
  }

  get clocks(): readonly RankClock[] {
    return this.#clocks;
  }

  run(): Timeline {
    for (let rank = this.#clocks.length - 1; rank >= 0; rank--) this.#runnable.push(rank);
    for (let rank = this.#runnable.pop(); rank !== undefined; rank = this.#runnable.pop()) {
      this.#runRank(rank);
    }
    const stuck = this.#clocks.findIndex((clock) => clock.index < clock.actions.length);
    if (stuck >= 0) {
      throw new ScheduleError(
        "INVALID_PROGRAM",
        `${this.#program.schedule}: every rank must be able to finish; rank ${stuck} stops at its action ` +
          `${this.#clocks[stuck]!.index}; verify the program to see the cause`,
        { rank: stuck },
      );
    }
    return { schedule: this.#program.schedule, ranks: this.#clocks.map((clock) => clock.track()) };
  }

  #runRank(rank: number): void {
    const clock = this.#clocks[rank]!;
    const { opcodes, cells, length } = clock.actions;
    clock.waitCell = NO_CELL;
    while (clock.index < length) {
      const index = clock.index;
      const opcode = opcodes[index]!;
      if (opcode > Opcode.OVERLAP_F_B) {
        if (this.#isBatched) {
          if (!this.#runBatch(rank, clock)) return;
        } else {
          this.#meet(rank, opcode, cells[index]!, clock.time);
          clock.index++;
        }
      } else if (!this.#compute(rank, clock, opcode)) return;
    }
  }

  /** Starts all transfers up to the next computation, then waits for all; false when one has no time yet. */
  #runBatch(rank: number, clock: RankClock): boolean {
    const { opcodes, cells, length } = clock.actions;
    let end = clock.index;
    while (end < length && opcodes[end]! > Opcode.OVERLAP_F_B) end++;
    if (!clock.isInBatch) {
      clock.isInBatch = true;
      for (let index = clock.index; index < end; index++) {
        this.#meet(rank, opcodes[index]!, cells[index]!, clock.time);
      }
    }
    for (let index = clock.index; index < end; index++) {
      const opcode = opcodes[index]!;
      if (!this.#waitFor(clock, flowOf(opcode), this.#valueCell(opcode, cells[index]!))) return false;
      clock.index++;
    }
    clock.isInBatch = false;
    return true;
  }

  #compute(rank: number, clock: RankClock, opcode: number): boolean {
    if (opcode === Opcode.OVERLAP_F_B) return this.#computePair(rank, clock);
    const cell = clock.actions.cells[clock.index]!;
    const { numMicroBatches } = this.#program;
    if (opcode === Opcode.F) {
      if (!this.#waitForActivation(clock, cell)) return false;
    } else if (opcode !== Opcode.W && !this.#waitForGradient(clock, cell)) return false;
    const start = clock.time;
    clock.nextIndex = clock.index + 1;
    const stage = Math.floor(cell / numMicroBatches);
    const { F, I, W, B } = this.#stages;
    switch (opcode) {
      case Opcode.F:
        clock.record(start, start + F[stage]!, F[stage]!);
        this.#emitForward(rank, clock, cell, clock.time);
        break;
      case Opcode.I:
        clock.record(start, start + I[stage]!, I[stage]!);
        this.#emitBackward(rank, clock, cell, clock.time);
        break;
      case Opcode.W:
        clock.record(start, start + W[stage]!, W[stage]!);
        break;
      default: {
        const inputShare = this.#isWhole ? 1 : share(I[stage]!, I[stage]! + W[stage]!);
        clock.record(start, start + B[stage]!, B[stage]!);
        this.#emitBackward(rank, clock, cell, start + B[stage]! * inputShare);
      }
    }
    clock.index = clock.nextIndex;
    return true;
  }

  /** The forward waits for its activation alone, and the backward for its gradient once the forward is done. */
  #computePair(rank: number, clock: RankClock): boolean {
    const { numMicroBatches } = this.#program;
    const { F, I, W, pairForward, pairBackward } = this.#stages;
    const cell = clock.actions.cells[clock.index]!;
    const backward = clock.actions.backwardCells[clock.index]!;
    const stage = Math.floor(cell / numMicroBatches);
    const backwardStage = Math.floor(backward / numMicroBatches);
    const duration = pairForward[stage]! + pairBackward[backwardStage]!;
    const parts = F[stage]! + I[backwardStage]! + W[backwardStage]!;
    const forwardShare = share(F[stage]!, parts);

    if (Number.isNaN(clock.pairStart)) {
      if (!this.#waitForActivation(clock, cell)) return false;
      clock.nextIndex = clock.index + 1;
      if (!this.#isWhole) {
        clock.pairStart = clock.time;
        clock.time += duration * forwardShare;
        this.#emitForward(rank, clock, cell, clock.time);
      }
    }
    if (!this.#waitForGradient(clock, backward)) return false;
    const start = clock.time;
    if (this.#isWhole) {
      clock.record(start, start + duration, duration);
      this.#emitForward(rank, clock, cell, clock.time);
      this.#emitBackward(rank, clock, backward, clock.time);
    } else {
      this.#emitBackward(rank, clock, backward, start + duration * share(I[backwardStage]!, parts));
      clock.record(clock.pairStart, start + duration * (1 - forwardShare), duration);
      clock.pairStart = Number.NaN;
    }
    clock.index = clock.nextIndex;
    return true;
  }

  #emitForward(rank: number, clock: RankClock, cell: number, time: number): void {
    const target = cell + this.#program.numMicroBatches;
    if (target < this.#numCells) this.#emit(rank, clock, "F", target, time);
  }

  #emitBackward(rank: number, clock: RankClock, cell: number, time: number): void {
    const target = cell - this.#program.numMicroBatches;
    if (target >= 0) this.#emit(rank, clock, "B", target, time);
  }

  /** A value exists: it stays here, or its SEND, which follows directly, starts before the computation ends. */
  #emit(rank: number, clock: RankClock, flow: Flow, target: number, time: number): void {
    if (this.#rankOfCell[target]! === rank) {
      this.#transfers.handOver(flow, target, time);
      return;
    }
    if (this.#isBatched) return;
    const { opcodes, cells } = clock.actions;
    const send = flow === "F" ? Opcode.SEND_F : Opcode.SEND_B;
    if (opcodes[clock.nextIndex] !== send) return;
    const index = clock.nextIndex++;
    this.#meet(rank, send, cells[index]!, time);
  }

  #meet(rank: number, opcode: number, cell: number, time: number): void {
    const flow = flowOf(opcode);
    const value = this.#valueCell(opcode, cell);
    if (!this.#transfers.meet(flow, value, time) || !this.#transfers.isAwaited(flow, value)) return;
    const isSend = opcode === Opcode.SEND_F || opcode === Opcode.SEND_B;
    const peer = isSend ? this.#rankOfCell[value]! : this.#senderOf(flow, value);
    const other = this.#clocks[peer]!;
    if (peer !== rank && other.waitCell === value && other.waitFlow === flow) this.#runnable.push(peer);
  }

  #waitForActivation(clock: RankClock, cell: number): boolean {
    return cell < this.#program.numMicroBatches || this.#waitFor(clock, "F", cell);
  }

  #waitForGradient(clock: RankClock, cell: number): boolean {
    return cell + this.#program.numMicroBatches >= this.#numCells || this.#waitFor(clock, "B", cell);
  }

  /** Moves the clock to the value's arrival; false, and nothing moves, while that is not known. */
  #waitFor(clock: RankClock, flow: Flow, value: number): boolean {
    const arrival = this.#transfers.arrival(flow, value);
    if (Number.isNaN(arrival)) {
      this.#transfers.awaited(flow, value);
      clock.waitFlow = flow;
      clock.waitCell = value;
      return false;
    }
    if (arrival > clock.time) {
      const isLocal = this.#senderOf(flow, value) === this.#rankOfCell[value];
      clock.waitUntil(arrival, isLocal ? 0 : this.#transfers.duration(flow, value));
    }
    return true;
  }

  /** A value's name is the cell that takes it. */
  #valueCell(opcode: number, cell: number): number {
    if (opcode === Opcode.SEND_F) return cell + this.#program.numMicroBatches;
    return opcode === Opcode.SEND_B ? cell - this.#program.numMicroBatches : cell;
  }

  #senderOf(flow: Flow, value: number): number {
    const { numMicroBatches } = this.#program;
    return this.#rankOfCell[flow === "F" ? value - numMicroBatches : value + numMicroBatches]!;
  }
}

function flowOf(opcode: number): Flow {
  return opcode <= Opcode.RECV_F ? "F" : "B";
}

function share(part: number, whole: number): number {
  return whole > 0 ? part / whole : 1;
}

/**
 * Runs a lowered program as discrete events, by the convention of its communication mode.
 * @throws ScheduleError `INVALID_PROGRAM` when it has no communication or cannot finish, or `INVALID_COST`
 */
export function simulate(program: Program, cost: CostModel, options: SimulateOptions = {}): Simulation {
  if (program.communication === "none" && program.numRanks > 1) {
    throw new ScheduleError(
      "INVALID_PROGRAM",
      `${program.schedule}: only a lowered program can be simulated; got computations only; lower it first`,
    );
  }
  const simulator = new Simulator(program, cost, options);
  const timeline = simulator.run();
  const makespan = makespanOf(timeline);
  const work = simulator.clocks.map((clock) => clock.work);
  const bubble = work.map((busy) => makespan - busy);
  return {
    timeline,
    makespan,
    work,
    bubble,
    bubbleCauses: bubbleCauses(simulator.clocks, makespan),
    bubbleRatio:
      makespan === 0 ? 0 : bubble.reduce((sum, time) => sum + time, 0) / (makespan * bubble.length),
    peakActivations: peakActivations(program),
  };
}
