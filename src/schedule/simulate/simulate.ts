/**
 * Predicts the times of a step by running its program, without an event queue.
 *
 * A discrete-event simulator would keep a queue of all that is about to happen, ordered by time. Here no decision
 * depends on the time: each rank runs its own list in order, and each channel moves its values in order. So every time
 * is a maximum of earlier times plus a cost, and it does not matter in which order the maxima are taken. Each rank has
 * a clock of its own and runs ahead as far as it can. It stops only at a value whose arrival is not known yet, and the
 * side that makes the arrival known puts it back on the list of runnable ranks. Each action is looked at about once,
 * and memory is a few numbers per cell.
 *
 * Values enter and leave in the middle of computations, as in the engine: an activation leaves a pair when its forward
 * is done, and an input gradient leaves a B between its I and its W. Papers count computations as wholes
 * (`wholeComputations`), which is what published figures and formulas are compared with.
 */
import { ActionListBuilder } from "../program/action-list.ts";
import { Cells, type Flow, flowOf, NO_CELL } from "../program/cells.ts";
import { hasForward, isSend, isTransfer, Opcode } from "../program/opcode.ts";
import { peakActivations } from "../program/peak-activations.ts";
import type { Program } from "../program/program.ts";
import { ScheduleError } from "../program/schedule-error.ts";
import { bubbleCauses } from "./bubble-causes.ts";
import { type CostModel, type StageCosts, stageCosts } from "./cost.ts";
import { RankClock } from "./rank-clock.ts";
import type { SimulateOptions, Simulation } from "./simulation.ts";
import { Stalls } from "./stalls.ts";
import { makespanOf, type Timeline } from "./timeline.ts";
import { Transfers } from "./transfers.ts";

/** Runs every rank as far as it can go, and again when the arrival of the value that it waits for is known. */
class Simulator {
  readonly #program: Program;
  readonly #stages: StageCosts;
  readonly #transfers: Transfers;
  readonly #clocks: RankClock[];
  readonly #runnable: number[] = [];
  readonly #cells: Cells;
  readonly #isBatched: boolean;
  readonly #isWhole: boolean;
  readonly #isWithoutTransfers: boolean;
  readonly #stalls: Stalls;

  constructor(program: Program, cost: CostModel, options: SimulateOptions) {
    const { wholeComputations = false, stalls = [] } = options;
    this.#program = program;
    this.#stages = stageCosts(cost, program.numStages);
    this.#cells = new Cells(program);
    this.#stalls = new Stalls(stalls, program.numRanks);
    this.#transfers = new Transfers(this.#cells, program.numRanks, cost, this.#stages, this.#stalls);
    const builder = new ActionListBuilder(program.numMicroBatches);
    this.#clocks = program.ranks.map((actions) => new RankClock(actions, builder));
    this.#isBatched = program.communication === "batched";
    this.#isWhole = wholeComputations;
    this.#isWithoutTransfers = program.communication === "none";
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
        `program ${this.#program.schedule}: every rank must be able to finish; rank ${stuck} stops at its action ` +
          `${this.#clocks[stuck]!.index}; verify the program to see the cause`,
        { rank: stuck },
      );
    }
    return { schedule: this.#program.schedule, ranks: this.#clocks.map((clock) => clock.track()) };
  }

  #runRank(rank: number): void {
    const clock = this.#clocks[rank]!;
    const { opcodes, cells, length } = clock.actions;
    clock.awaitedValue = NO_CELL;
    while (clock.index < length) {
      const index = clock.index;
      const opcode = opcodes[index]!;
      if (isTransfer(opcode)) {
        if (this.#isBatched) {
          if (!this.#runBatch(rank, clock)) return;
        } else {
          this.#startTransfer(rank, opcode, cells[index]!, clock.time);
          clock.index++;
        }
      } else if (!this.#compute(rank, clock, opcode)) return;
    }
  }

  /** Starts all transfers up to the next computation, then waits for all; false when an arrival is not known yet. */
  #runBatch(rank: number, clock: RankClock): boolean {
    const { opcodes, cells, length } = clock.actions;
    let end = clock.index;
    while (end < length && isTransfer(opcodes[end]!)) end++;
    if (!clock.isInBatch) {
      clock.isInBatch = true;
      for (let index = clock.index; index < end; index++) {
        this.#startTransfer(rank, opcodes[index]!, cells[index]!, clock.time);
      }
    }
    for (let index = clock.index; index < end; index++) {
      const opcode = opcodes[index]!;
      const value = this.#cells.valueOf(opcode, cells[index]!);
      if (!this.#waitFor(clock, flowOf(opcode), value)) return false;
      clock.index++;
    }
    clock.isInBatch = false;
    return true;
  }

  /** Runs one computation; false when the arrival of a value that it needs is not known yet. */
  #compute(rank: number, clock: RankClock, opcode: number): boolean {
    if (opcode === Opcode.OVERLAP_F_B) return this.#computePair(rank, clock);
    const cell = clock.actions.cells[clock.index]!;
    const needed = hasForward(opcode) ? "F" : "B";
    if (opcode !== Opcode.W && !this.#waitForInput(clock, needed, cell)) return false;
    this.#waitForStall(rank, clock);
    const start = clock.time;
    clock.nextIndex = clock.index + 1;
    const stage = this.#cells.stageOf(cell);
    const { F, I, W, B } = this.#stages;
    switch (opcode) {
      case Opcode.F:
        clock.record(start, start + F[stage]!, F[stage]!);
        this.#emit(rank, clock, "F", cell, clock.time);
        break;
      case Opcode.I:
        clock.record(start, start + I[stage]!, I[stage]!);
        this.#emit(rank, clock, "B", cell, clock.time);
        break;
      case Opcode.W:
        clock.record(start, start + W[stage]!, W[stage]!);
        break;
      case Opcode.B: {
        const inputShare = this.#isWhole ? 1 : share(I[stage]!, I[stage]! + W[stage]!);
        clock.record(start, start + B[stage]!, B[stage]!);
        this.#emit(rank, clock, "B", cell, start + B[stage]! * inputShare);
      }
    }
    clock.index = clock.nextIndex;
    return true;
  }

  /** The forward waits for its activation only, and the backward for its gradient once the forward is done. */
  #computePair(rank: number, clock: RankClock): boolean {
    const { F, I, W, pairForward, pairBackward } = this.#stages;
    const cell = clock.actions.cells[clock.index]!;
    const backward = clock.actions.backwardCells[clock.index]!;
    const stage = this.#cells.stageOf(cell);
    const backwardStage = this.#cells.stageOf(backward);
    const duration = pairForward[stage]! + pairBackward[backwardStage]!;
    const parts = F[stage]! + I[backwardStage]! + W[backwardStage]!;
    const forwardShare = share(F[stage]!, parts);

    if (Number.isNaN(clock.pairStart)) {
      if (!this.#waitForInput(clock, "F", cell)) return false;
      this.#waitForStall(rank, clock);
      clock.nextIndex = clock.index + 1;
      if (!this.#isWhole) {
        clock.pairStart = clock.time;
        clock.time += duration * forwardShare;
        this.#emit(rank, clock, "F", cell, clock.time);
      }
    }
    if (!this.#waitForInput(clock, "B", backward)) return false;
    if (this.#isWhole) this.#waitForStall(rank, clock);
    const start = clock.time;
    if (this.#isWhole) {
      clock.record(start, start + duration, duration);
      this.#emit(rank, clock, "F", cell, clock.time);
      this.#emit(rank, clock, "B", backward, clock.time);
    } else {
      this.#emit(rank, clock, "B", backward, start + duration * share(I[backwardStage]!, parts));
      clock.record(clock.pairStart, start + duration * (1 - forwardShare), duration);
      clock.pairStart = Number.NaN;
    }
    clock.index = clock.nextIndex;
    return true;
  }

  /**
   * The cell's value exists from `time` on. It stays on its rank, or its SEND starts then, if that follows
   * directly.
   */
  #emit(rank: number, clock: RankClock, flow: Flow, cell: number, time: number): void {
    const value = this.#cells.consumerOf(flow, cell);
    if (value === NO_CELL) return;
    if (this.#cells.rankOf(value) === rank) {
      this.#transfers.handOver(flow, value, time);
      return;
    }
    if (this.#isBatched) return;
    if (this.#isWithoutTransfers) {
      this.#transfers.send(flow, value, time);
      this.#wake(flow, value, this.#cells.rankOf(value));
      return;
    }
    const send = flow === "F" ? Opcode.SEND_F : Opcode.SEND_B;
    if (clock.takeSend(send, cell)) this.#startTransfer(rank, send, cell, time);
  }

  /** One side of a transfer starts; the rank of the other side goes on if it waited for this. */
  #startTransfer(rank: number, opcode: number, cell: number, time: number): void {
    const flow = flowOf(opcode);
    const value = this.#cells.valueOf(opcode, cell);
    const peer = this.#cells.rankOf(isSend(opcode) ? value : this.#cells.producerOf(flow, value));
    if (this.#transfers.start(flow, value, time) && peer !== rank) this.#wake(flow, value, peer);
  }

  /** Lets a rank go on that waits for a value whose arrival is now known. */
  #wake(flow: Flow, value: number, peer: number): void {
    if (!this.#transfers.isAwaited(flow, value)) return;
    const other = this.#clocks[peer]!;
    if (other.awaitedValue === value && other.awaitedFlow === flow) this.#runnable.push(peer);
  }

  /** Moves the clock behind the stall that it is in; the others wait for data. */
  #waitForStall(rank: number, clock: RankClock): void {
    if (this.#stalls.hasRanks) clock.waitUntil(this.#stalls.startOnRank(rank, clock.time), 0);
  }

  /** Waits for what the cell takes in this flow, unless the flow begins there. */
  #waitForInput(clock: RankClock, flow: Flow, cell: number): boolean {
    return this.#cells.producerOf(flow, cell) === NO_CELL || this.#waitFor(clock, flow, cell);
  }

  /** Moves the clock to the value's arrival; false, and nothing moves, while that is not known. */
  #waitFor(clock: RankClock, flow: Flow, value: number): boolean {
    const arrival = this.#transfers.arrival(flow, value);
    if (Number.isNaN(arrival)) {
      this.#transfers.setAwaited(flow, value);
      clock.awaitedFlow = flow;
      clock.awaitedValue = value;
      return false;
    }
    if (arrival > clock.time) {
      const sender = this.#cells.rankOf(this.#cells.producerOf(flow, value));
      const isLocal = sender === this.#cells.rankOf(value);
      clock.waitUntil(arrival, isLocal ? 0 : this.#transfers.duration(flow, value));
    }
    return true;
  }
}

function share(part: number, whole: number): number {
  return whole > 0 ? part / whole : 1;
}

/**
 * Runs a lowered program by the convention of its communication mode.
 * @throws ScheduleError `INVALID_PROGRAM` when it has no communication or cannot finish, or `INVALID_COST`
 */
export function simulate(program: Program, cost: CostModel, options: SimulateOptions = {}): Simulation {
  if (program.communication === "none" && program.numRanks > 1 && !options.withoutLowering) {
    throw new ScheduleError(
      "INVALID_PROGRAM",
      `program ${program.schedule}: only a lowered program can be simulated; got computations only; lower it first`,
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
