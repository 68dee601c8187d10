import type { Runtime } from "../tensor/runtime.ts";
import type { Transfer } from "../tensor/suspension.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** What travels on one edge: each kind has a channel of its own, so that no early receive blocks a ready send. */
export const CHANNEL_KINDS = ["activations", "gradients", "parameters", "control"] as const;
export type ChannelKind = (typeof CHANNEL_KINDS)[number];

/** Tensors sent together; an absent one is null. Shapes and dtypes may differ from message to message. */
export type Message = readonly (Tensor | null)[];

/** A receive that was posted. */
export interface Receipt extends Transfer {
  /**
   * Waits, blocking this thread, and gives the tensors to the current scope or, without one, to the caller.
   * @throws TransportError when the peer failed or nothing arrived in time.
   */
  take(): (Tensor | null)[];
}

/**
 * One rank's end of the edges to its peers. On each directed edge and kind, messages arrive in the order in which
 * they were sent, and the k-th posted receive gets the k-th message.
 */
export interface ProcessGroup {
  readonly runtime: Runtime;
  /** The group whose channels these are, which errors name: itself, but for a view of another. */
  readonly root: ProcessGroup;
  readonly rank: number;
  readonly size: number;
  /** Returns at once. The tensors are borrowed, and nobody may change a tensor that was sent. */
  send(peer: number, kind: ChannelKind, message: Message): void;
  /** Posts a receive and returns at once. */
  receive(peer: number, kind: ChannelKind): Receipt;
  /**
   * Ends what is under way: each of the other ranks gets one TransportError with this reason, in its present or its
   * next transfer; then the group is as new. Not to be called by a rank that got such an error itself.
   */
  abort(reason: string): void;
  /** The group of some of the ranks, numbered in the order given. @throws TransportError when this rank is not among them. */
  subgroup(ranks: readonly number[]): ProcessGroup;
}
