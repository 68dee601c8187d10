// The edges of a stage: how values reach the next one, on another rank or on this one.
//
// The executor moves values whose type it does not know, so it cannot send, hand over or free them; and a stage
// computes values without knowing where they go. What is between the two is here, and so is everything about a value on
// its way: a dtype for the wire, for example, would cast in `send` and cast back in `receive`, and no other file would
// change.
//
// Ranks take part in a step without talking about it. If they disagree about which step it is, a value of another step
// would be taken for one of this one, with a wrong gradient that no one notices. So each value travels with a label
// that says its step and its origin, and the receiver says which label it expects.
//
// The rule of ownership: a link borrows the outputs of a stage, which frees them after `outputsSent`, and takes over
// input gradients, which no one else needs. A received value belongs to its taker.
import { disposeTensors, type Message, type ProcessGroup, type Receipt } from "../transport/process-group.ts";

/** What travels between stages. */
export type EdgeKind = "activations" | "gradients";

/** The stage and the micro-batch that a value was computed in. */
export interface Origin {
  readonly stage: number;
  readonly microBatch: number;
}

/** The edges of this rank's stages, as the executor sees them. */
export interface Link<Value> {
  /** Sends a value; it borrows activations and takes over gradients. */
  send(peer: number, kind: EdgeKind, value: Value, origin: Origin): void;
  receive(peer: number, kind: EdgeKind, origin: Origin): Receipt<Value>;
  /** Turns a stage's outputs, which that stage will free, into the inputs of the next stage on this rank. */
  handOver(outputs: Value): Value;
  /** Frees a value that no stage has taken over; freeing it twice is harmless. */
  discard(value: Value): void;
}

/** Sends and receives the tensors of a pipeline's stages over its process group. */
export class PipelineLink implements Link<Message> {
  readonly #group: ProcessGroup;
  readonly #step: string;

  /** @param step What all ranks call this step: its number, its mode and its program. */
  constructor(group: ProcessGroup, step: string) {
    this.#group = group;
    this.#step = step;
  }

  send(peer: number, kind: EdgeKind, message: Message, origin: Origin): void {
    this.#group.send(peer, kind, message, this.#labelOf(kind, origin));
    if (kind === "gradients") disposeTensors(message);
  }

  receive(peer: number, kind: EdgeKind, origin: Origin): Receipt {
    return this.#group.receive(peer, kind, this.#labelOf(kind, origin));
  }

  #labelOf(kind: EdgeKind, { stage, microBatch }: Origin): string {
    const value = kind === "activations" ? "outputs" : "input gradients";
    return `${this.#step}: the ${value} of stage ${stage}, micro-batch ${microBatch}`;
  }

  handOver(outputs: Message): Message {
    return outputs.map((tensor) => tensor?.share() ?? null);
  }

  discard(message: Message): void {
    disposeTensors(message);
  }
}
