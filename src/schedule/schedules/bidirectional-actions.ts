import type { CommunicationKind } from "../program/action.ts";
import type { ActionList, ActionListBuilder } from "../program/action-list.ts";

/** One of the two streams of micro-batches that pass a rank. */
export interface Stream {
  readonly stage: number;
  readonly firstMicroBatch: number;
  /** Whether activations come from another rank, and so gradients go there. */
  readonly hasPreviousRank: boolean;
  /** Whether activations go to another rank, and so gradients come from there. */
  readonly hasNextRank: boolean;
}

export interface BidirectionalRankOptions {
  readonly forwardOnly: boolean;
  readonly withCommunication: boolean;
}

/** Which of a rank's two streams: 0 is the one whose activations it meets first. */
export type Phase = 0 | 1;

type Counter = "forward" | "backward" | CommunicationKind;

/**
 * Writes the actions of one rank of DualPipe or DualPipeV. Micro-batches of a stream are numbered in the order
 * of each kind of action, and weight backwards are taken first in, first out.
 */
export class BidirectionalRank {
  readonly #streams: readonly [Stream, Stream];
  readonly #options: BidirectionalRankOptions;
  readonly #builder: ActionListBuilder;
  readonly #pendingWeights: { stage: number; microBatch: number }[] = [];
  #weightIndex = 0;
  readonly #next: Readonly<Record<Counter, number[]>> = {
    forward: [0, 0],
    backward: [0, 0],
    SEND_F: [0, 0],
    RECV_F: [0, 0],
    SEND_B: [0, 0],
    RECV_B: [0, 0],
  };

  constructor(
    streams: readonly [Stream, Stream],
    options: BidirectionalRankOptions,
    builder: ActionListBuilder,
  ) {
    this.#streams = streams;
    this.#options = options;
    this.#builder = builder;
  }

  finish(): ActionList {
    return this.#builder.finish();
  }

  forward(phase: Phase): void {
    const { stage } = this.#streams[phase];
    this.#builder.add("F", stage, this.#take("forward", phase));
  }

  backward(phase: Phase, splitWeight: boolean): void {
    if (this.#options.forwardOnly) return;
    const { stage } = this.#streams[phase];
    const microBatch = this.#take("backward", phase);
    this.#builder.add(splitWeight ? "I" : "B", stage, microBatch);
    if (splitWeight) this.#pendingWeights.push({ stage, microBatch });
  }

  forwardBackward(forwardPhase: Phase, backwardPhase: Phase): void {
    if (this.#options.forwardOnly) {
      this.forward(forwardPhase);
      return;
    }
    this.#builder.pair(
      this.#streams[forwardPhase].stage,
      this.#take("forward", forwardPhase),
      this.#streams[backwardPhase].stage,
      this.#take("backward", backwardPhase),
    );
  }

  weight(): void {
    if (this.#options.forwardOnly) return;
    const { stage, microBatch } = this.#pendingWeights[this.#weightIndex++]!;
    this.#builder.add("W", stage, microBatch);
  }

  receiveForward(phase: Phase): void {
    if (this.#streams[phase].hasPreviousRank) this.#communicate("RECV_F", phase);
  }

  sendForward(phase: Phase): void {
    if (this.#streams[phase].hasNextRank) this.#communicate("SEND_F", phase);
  }

  receiveBackward(phase: Phase): void {
    if (this.#streams[phase].hasNextRank && !this.#options.forwardOnly) this.#communicate("RECV_B", phase);
  }

  sendBackward(phase: Phase): void {
    if (this.#streams[phase].hasPreviousRank && !this.#options.forwardOnly) {
      this.#communicate("SEND_B", phase);
    }
  }

  #communicate(kind: CommunicationKind, phase: Phase): void {
    if (!this.#options.withCommunication) return;
    this.#builder.add(kind, this.#streams[phase].stage, this.#take(kind, phase));
  }

  #take(counter: Counter, phase: Phase): number {
    return this.#streams[phase].firstMicroBatch + this.#next[counter][phase]!++;
  }
}
