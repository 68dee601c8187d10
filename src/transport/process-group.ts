import type { Runtime } from "../tensor/runtime.ts";
import type { Transfer } from "../tensor/suspension.ts";
import type { Tensor } from "../tensor/tensor.ts";

/**
 * What travels from one rank to another. Each kind has a channel of its own, so that a receive posted early for one
 * kind does not hold up another.
 */
export const CHANNEL_KINDS = ["activations", "gradients", "weight-gradients", "weights", "control"] as const;
export type ChannelKind = (typeof CHANNEL_KINDS)[number];

/** Tensors sent together; an absent one is null. Shapes and dtypes may differ from message to message. */
export type Message = readonly (Tensor | null)[];

export function disposeTensors(message: Message): void {
  for (const tensor of message) tensor?.dispose();
}

/** A receive that was posted, of a message or of another value. */
export interface Receipt<Value = Message> extends Transfer {
  /**
   * Waits, blocking this thread, and returns the value. Its tensors belong to the current scope or, outside of every
   * scope (`Runtime.outsideScopes`), to the caller.
   * @throws TransportError when the peer failed, when nothing arrived in time, or when a message arrived that has
   * another label than expected.
   */
  take(): Value;
}

/** A channel of this rank, to or from a peer. */
export interface Route {
  readonly peer: number;
  readonly kind: ChannelKind;
  readonly way: "to" | "from";
}

/**
 * One rank's channels to the other ranks of a group. On each channel (a sender, a receiver and a kind) messages arrive
 * in the order in which they were sent, and the k-th posted receive gets the k-th message.
 *
 * A rank's transfers belong to phases, such as the steps of a pipeline, which all ranks begin in the same order. A rank
 * may fail in a later phase than the one that a slower rank is still in; what that one does then still ends well.
 */
export interface ProcessGroup {
  readonly runtime: Runtime;
  /** The group that owns the channels, which errors name: the group itself, or the one that it is a view of. */
  readonly root: ProcessGroup;
  readonly rank: number;
  readonly size: number;
  /** Whether all ranks are threads of this process. */
  readonly isWithinProcess: boolean;
  /**
   * Returns at once. The tensors stay the caller's, and must not be changed after the send.
   * @param label Says what the message is; the receiver must expect the same. In `step 3: the outputs of stage 1`, what
   * is before the colon says what all ranks do in the phase.
   */
  send(peer: number, kind: ChannelKind, message: Message, label?: string): void;
  /**
   * Posts a receive and returns at once.
   * @param label The label of the message that is expected. Another one fails with MISMATCHED_MESSAGE, until an abort.
   */
  receive(peer: number, kind: ChannelKind, label?: string): Receipt;
  /** Whether tensors between cards of different hosts need connections of their own, which `connectCards` makes. */
  readonly connectsCards: boolean;
  /**
   * Connects this rank's card with others for these channels, and waits for the ranks at their other ends, which must
   * do the same. Without it, tensors between cards of different hosts travel through the memory of both hosts.
   * @throws TransportError
   */
  connectCards(routes: readonly Route[]): void;
  /** Begins the next phase on this rank. @returns Its number; an abort starts the count again, on every rank. */
  beginPhase(): number;
  /**
   * Ends this rank's phase and all later ones: each of the other ranks gets one TransportError with this reason, in
   * its first transfer of these phases, which may be its present one. After that the group works as if it were new. A
   * rank that got such an error must not call it.
   */
  abort(reason: string): void;
  /**
   * A group of some of the ranks, numbered in the order given, with channels and aborts of its own. A `GroupView` also
   * has some of the ranks, but sends over this group's channels, and its aborts reach the whole group.
   * @throws TransportError when this rank is not among them.
   */
  subgroup(ranks: readonly number[]): ProcessGroup;
}
