// The edges of a stage: how values reach the next one, on another rank or on this one.
//
// The executor moves values whose type it does not know, so it cannot send, hand over or free them; and a stage
// computes values without knowing where they go. What is between the two is here, and so is everything about a value on
// its way: a dtype for the wire, for example, would cast in `send` and cast back in `receive`, and no other file would
// change.
//
// The rule of ownership: a link borrows the outputs of a stage, which frees them after `outputsSent`, and takes over
// input gradients, which no one else needs. A received value belongs to its taker.
import { disposeTensors, type Message, type ProcessGroup, type Receipt } from "../transport/process-group.ts";

/** What travels between stages. */
export type EdgeKind = "activations" | "gradients";

/** The edges of this rank's stages, as the executor sees them. */
export interface Link<Value> {
  /** Sends a value; it borrows activations and takes over activation gradients. */
  send(peer: number, kind: EdgeKind, value: Value): void;
  receive(peer: number, kind: EdgeKind): Receipt<Value>;
  /** Turns a stage's outputs, which that stage will free, into the inputs of the next stage on this rank. */
  handOver(outputs: Value): Value;
  /** Frees a value that no stage has taken over; freeing it twice is harmless. */
  discard(value: Value): void;
}

/** Sends and receives the tensors of a pipeline's stages over its process group. */
export class PipelineLink implements Link<Message> {
  readonly #group: ProcessGroup;

  constructor(group: ProcessGroup) {
    this.#group = group;
  }

  send(peer: number, kind: EdgeKind, message: Message): void {
    this.#group.send(peer, kind, message);
    if (kind === "gradients") disposeTensors(message);
  }

  receive(peer: number, kind: EdgeKind): Receipt {
    return this.#group.receive(peer, kind);
  }

  handOver(outputs: Message): Message {
    return outputs.map((tensor) => tensor?.share() ?? null);
  }

  discard(message: Message): void {
    disposeTensors(message);
  }
}
