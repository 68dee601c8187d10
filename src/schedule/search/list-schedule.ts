/**
 * A program for given costs and a given memory, by list scheduling.
 *
 * A schedule with rules of its own (1F1B, DualPipe) is best where its assumptions hold: equal stages, free links, its
 * own number of activations. The best order for other costs is a hard problem (NP-hard, as job shops are), but a
 * greedy one is cheap: play the step in time, and let each rank, whenever it is free, take the most urgent of the
 * computations whose inputs have arrived. Urgent is what other ranks wait for: a backward for inputs first, then a
 * forward, and a backward for weights only when there is nothing else.
 *
 * A free rank may wait: when an input gradient is about to arrive, starting anything else would only delay it, and
 * `patience` says how long is "about to". No single preference wins at all costs. search.ts therefore makes a program
 * with each and keeps the best.
 */
import { type PlayedStep, type PlayerOptions, type RankState, StepPlayer } from "./step-player.ts";

/** What a free rank takes first where it has a choice; the last one runs a W as soon as its memory is full. */
export type Preference = "backward-first" | "forward-first" | "weights-when-full";

export interface ListScheduleOptions extends PlayerOptions {
  readonly preference: Preference;
  /** A W waits when an I is known to become ready within this share of the W's time. */
  readonly patience: number;
  /** The same for an F. */
  readonly forwardPatience: number;
  /** Whether a forward and a backward overlap when both are ready and that takes less time. */
  readonly pairs: boolean;
}

/** The step of list scheduling; complete when `maxActivations` is at least the number of stages of a rank. */
export function listSchedule(options: ListScheduleOptions): PlayedStep {
  const { preference, patience } = options;
  return new StepPlayer(options).run((player, state, now) => {
    if (options.pairs && player.pairOfReady(state, now)) return;
    const isFull = state.numHeld >= player.maxActivations;
    if (preference === "weights-when-full" && isFull && player.backwardWeights(state, now)) return;
    if (preference === "forward-first" && forward(player, state, now, options)) return;
    if (backwardInputs(player, state, now)) return;
    if (preference !== "forward-first" && forward(player, state, now, options)) return;
    const duration = player.weightsDuration(state);
    if (duration === undefined) return;
    const delay = (isFull && patience < 1 ? 0 : patience) * duration;
    if (!player.hasBackwardWithin(state, now, delay)) player.backwardWeights(state, now);
  });
}

function forward(
  player: StepPlayer,
  state: RankState,
  now: number,
  { forwardPatience }: ListScheduleOptions,
): boolean {
  const queue = state.queues.find(
    (each) => player.arrival("F", player.nextForward(each)) <= now && player.hasRoom(state, each),
  );
  if (queue === undefined) return false;
  const delay = forwardPatience * player.costs.F[queue.stage]!;
  if (player.hasBackwardWithin(state, now, delay)) return false;
  player.forward(state, queue, now);
  return true;
}

function backwardInputs(player: StepPlayer, state: RankState, now: number): boolean {
  const queue = state.queues.find((each) => player.arrival("B", player.nextBackward(each)) <= now);
  if (queue === undefined) return false;
  player.backwardInputs(state, queue, now);
  return true;
}
