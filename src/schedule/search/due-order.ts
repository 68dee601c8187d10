/*
 * A program from times at which its forwards and backwards are due.
 *
 * A preference such as "backwards first" is one of few. Due times can say everything in between: of what is ready, a
 * rank takes what is due first, and waits for what is due earlier and about to arrive. Where a schedule must save
 * memory, even that is too eager, because whatever is ready takes room; so `isStrict` keeps the order of the due times
 * and waits for each. In both, a W fills the time that nothing else needs, and makes room when there is none.
 */
import { type PlayedStep, type PlayerOptions, type RankState, StepPlayer } from "./step-player.ts";

/** When the F and the I of each cell are due. Only their order on a rank matters. */
export type DueTimes = Readonly<Record<"F" | "I", Float64Array>>;

/** How closely a program follows the due times. */
export interface DueRules {
  /** Whether a rank waits for what is due next, however long. */
  readonly isStrict: boolean;
  /** A W waits for what becomes ready within this share of its time. */
  readonly patience: number;
  /** An F or an I waits for what is due earlier and becomes ready within this share of its time. */
  readonly urgency: number;
  /** Whether a forward leaves room for one micro-batch of each later stage of its rank. */
  readonly leavesRoom: boolean;
  /** Whether a forward and a backward overlap when both are ready and that takes less time. */
  readonly pairs: boolean;
}

/** The step in that order; its makespan is Infinity when it came to a halt. */
export function dueOrder(options: PlayerOptions, due: DueTimes, rules: DueRules): PlayedStep {
  const order = new DueOrder(due, rules);
  return new StepPlayer(options).run((player, state, now) => order.act(player, state, now));
}

/**
 * What a rank could do next: number 2 q is the forward of its queue q, and 2 q + 1 the backward. Kept in arrays,
 * because a search plays thousands of steps.
 */
class DueOrder {
  readonly #due: DueTimes;
  readonly #rules: DueRules;
  /** Infinity where there is nothing. */
  readonly #dues: number[] = [];
  /** When the input is there; NaN while that is not known. */
  readonly #arrivals: number[] = [];
  readonly #fits: boolean[] = [];
  #length = 0;

  constructor(due: DueTimes, rules: DueRules) {
    this.#due = due;
    this.#rules = rules;
  }

  act(player: StepPlayer, state: RankState, now: number): void {
    const { isStrict, urgency, patience, pairs } = this.#rules;
    if (pairs && player.pairOfReady(state, now)) return;
    this.#look(player, state);
    const first = this.#first(isStrict ? Infinity : now);
    if (first >= 0 && this.#isReady(first, now)) {
      const queue = state.queues[first >> 1]!;
      const isForward = (first & 1) === 0;
      const delay = isStrict ? 0 : urgency * player.costs[isForward ? "F" : "I"][queue.stage]!;
      if (delay > 0 && this.#willBeReady(now, delay, this.#dues[first]!)) return;
      if (isForward) player.forward(state, queue, now);
      else player.backwardInputs(state, queue, now);
      return;
    }
    const duration = player.weightsDuration(state);
    if (duration === undefined) return;
    if (this.#needsRoom(first, now) || !this.#willBeReady(now, patience * duration, Infinity))
      player.backwardWeights(state, now);
  }

  #look(player: StepPlayer, state: RankState): void {
    this.#length = 2 * state.queues.length;
    for (const [index, queue] of state.queues.entries()) {
      const forward = player.nextForward(queue);
      const backward = player.nextBackward(queue);
      this.#dues[2 * index] = forward === undefined ? Infinity : this.#due.F[forward]!;
      this.#dues[2 * index + 1] = backward === undefined ? Infinity : this.#due.I[backward]!;
      this.#arrivals[2 * index] = player.arrival("F", forward);
      this.#arrivals[2 * index + 1] = player.arrival("B", backward);
      this.#fits[2 * index] = this.#rules.leavesRoom
        ? player.hasRoom(state, queue)
        : state.numHeld < player.maxActivations;
      this.#fits[2 * index + 1] = true;
    }
  }

  #isReady(index: number, now: number): boolean {
    return this.#arrivals[index]! <= now && this.#fits[index]!;
  }

  /** What is due first of all that is ready at `now`, or of all when that is Infinity; -1 when there is nothing. */
  #first(now: number): number {
    let first = -1;
    for (let index = 0; index < this.#length; index++)
      if (
        this.#dues[index]! < (this.#dues[first] ?? Infinity) &&
        (now === Infinity || this.#isReady(index, now))
      )
        first = index;
    return first;
  }

  /** Whether something that is due before `due` becomes ready within `delay`. */
  #willBeReady(now: number, delay: number, due: number): boolean {
    for (let index = 0; index < this.#length; index++) {
      const arrival = this.#arrivals[index]!;
      if (this.#fits[index]! && this.#dues[index]! < due && arrival > now && arrival < now + delay)
        return true;
    }
    return false;
  }

  /** Whether the memory is all that `first`, or anything if there is none, waits for. */
  #needsRoom(first: number, now: number): boolean {
    for (let index = 0; index < this.#length; index++)
      if ((first < 0 || index === first) && this.#arrivals[index]! <= now && !this.#fits[index]!) return true;
    return false;
  }
}
