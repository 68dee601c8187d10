/**
 * Writes one rank's actions in the words of the eight steps (bidirectional-steps.ts).
 *
 * A step says only "forward in direction 0". Which micro-batch that is needs no bookkeeping by the steps: within a
 * direction every kind of action takes the micro-batches in ascending order, so a counter for each kind and direction
 * knows it. The W of a split backward is the one exception: it can run much later, among those of the other direction,
 * so the micro-batches whose W is still to come wait in one queue, first in, first out.
 *
 * The same steps give four kinds of programs. Without communication, the sends and receives write nothing, but their
 * place in the steps is that of the reference. For forwards only, backwards write nothing and a pair is its forward.
 */
import type { CommunicationKind } from "../program/action.ts";
import type { ActionList, ActionListBuilder } from "../program/action-list.ts";

/** 0: the direction whose micro-batches reach the rank first. 1: the opposite one. */
export type Direction = 0 | 1;

/** What a rank does for the micro-batches of one direction. */
export interface RankDirection {
  readonly stage: number;
  readonly firstMicroBatch: number;
  /** Whether activations come from another rank, and gradients go to it. */
  readonly hasPreviousRank: boolean;
  /** Whether activations go to another rank, and gradients come from it. */
  readonly hasNextRank: boolean;
}

export interface BidirectionalActionsOptions {
  readonly forwardOnly: boolean;
  readonly withCommunication: boolean;
}

/** Which of its two transfers a computation does by itself. */
interface Transfers {
  readonly receive?: boolean;
  readonly send?: boolean;
}

type Counter = "forward" | "backward" | CommunicationKind;

/** The actions of one rank of DualPipe or DualPipeV. */
export class BidirectionalActions {
  readonly #directions: readonly [RankDirection, RankDirection];
  readonly #options: BidirectionalActionsOptions;
  readonly #builder: ActionListBuilder;
  readonly #pendingWeights: { stage: number; microBatch: number }[] = [];
  #numWeights = 0;
  readonly #next: Readonly<Record<Counter, number[]>> = {
    forward: [0, 0],
    backward: [0, 0],
    SEND_F: [0, 0],
    RECV_F: [0, 0],
    SEND_B: [0, 0],
    RECV_B: [0, 0],
  };

  constructor(
    directions: readonly [RankDirection, RankDirection],
    options: BidirectionalActionsOptions,
    builder: ActionListBuilder,
  ) {
    this.#directions = directions;
    this.#options = options;
    this.#builder = builder;
  }

  /** All that has been written. */
  finish(): ActionList {
    return this.#builder.finish();
  }

  /** F: receives an activation, computes, sends the output. */
  forward(direction: Direction, { receive = true, send = true }: Transfers = {}): void {
    if (receive) this.receiveActivation(direction);
    this.#builder.add("F", this.#directions[direction].stage, this.#take("forward", direction));
    if (send) this.sendActivation(direction);
  }

  /** B: receives a gradient, computes both halves of the backward, sends the input gradient. */
  backward(direction: Direction, { send = true }: Omit<Transfers, "receive"> = {}): void {
    if (this.#options.forwardOnly) return;
    this.receiveGradient(direction);
    this.#builder.add("B", this.#directions[direction].stage, this.#take("backward", direction));
    if (send) this.sendGradient(direction);
  }

  /** I: as `backward`, but its W is left for `backwardWeights`. */
  backwardInputs(direction: Direction): void {
    if (this.#options.forwardOnly) return;
    this.receiveGradient(direction);
    const { stage } = this.#directions[direction];
    const microBatch = this.#take("backward", direction);
    this.#builder.add("I", stage, microBatch);
    this.#pendingWeights.push({ stage, microBatch });
    this.sendGradient(direction);
  }

  /** W: of the earliest `backwardInputs` that has none yet. */
  backwardWeights(): void {
    if (this.#options.forwardOnly) return;
    const { stage, microBatch } = this.#pendingWeights[this.#numWeights++]!;
    this.#builder.add("W", stage, microBatch);
  }

  /** F&B: the forward of one direction, overlapped with the full backward of the other. */
  pair(forward: Direction, backward: Direction, { receiveActivation = true } = {}): void {
    if (receiveActivation) this.receiveActivation(forward);
    this.receiveGradient(backward);
    if (this.#options.forwardOnly) {
      this.#builder.add("F", this.#directions[forward].stage, this.#take("forward", forward));
    } else {
      this.#builder.pair(
        this.#directions[forward].stage,
        this.#take("forward", forward),
        this.#directions[backward].stage,
        this.#take("backward", backward),
      );
    }
    this.sendActivation(forward);
    this.sendGradient(backward);
  }

  receiveActivation(direction: Direction): void {
    if (!this.#options.withCommunication) return;
    if (this.#directions[direction].hasPreviousRank) this.#communicate("RECV_F", direction);
  }

  sendActivation(direction: Direction): void {
    if (!this.#options.withCommunication) return;
    if (this.#directions[direction].hasNextRank) this.#communicate("SEND_F", direction);
  }

  receiveGradient(direction: Direction): void {
    if (this.#options.forwardOnly || !this.#options.withCommunication) return;
    if (this.#directions[direction].hasNextRank) this.#communicate("RECV_B", direction);
  }

  sendGradient(direction: Direction): void {
    if (this.#options.forwardOnly || !this.#options.withCommunication) return;
    if (this.#directions[direction].hasPreviousRank) this.#communicate("SEND_B", direction);
  }

  #communicate(kind: CommunicationKind, direction: Direction): void {
    this.#builder.add(kind, this.#directions[direction].stage, this.#take(kind, direction));
  }

  /** The next micro-batch for this kind of action. */
  #take(counter: Counter, direction: Direction): number {
    return this.#directions[direction].firstMicroBatch + this.#next[counter][direction]!++;
  }
}
