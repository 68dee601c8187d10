// How a message gets from one rank to another: the part of a transport that differs between transports.
//
// The contract of a ProcessGroup is long: order within a channel, receives that are posted early, aborts that reach
// every rank once, a group that works again after an abort, groups of some of the ranks. If each transport kept it by
// itself, it would be written, and got wrong, once per transport.
//
// So `MailboxGroup` keeps it once, on top of the mailboxes of this process (native/mailbox.cpp), and a Carrier does the
// rest: it puts a message into the receiver's mailbox, wherever the receiver is. Between threads that is one call;
// between processes a bridge over Gloo does it, and another transport would be a third Carrier.
// test/ranks/conformance.ts is the contract as a test, which every transport must pass.
//
// Invariants: messages of one channel are put in the order in which they were sent; `send` does not wait for the
// receiver; `close` ends every wait in every process, and a set of mailboxes that is opened after its close is closed.
import type { Handle, Mailboxes } from "../native/addon.ts";
import type { ChannelKind } from "./process-group.ts";

/** One direction between two ranks, for one kind. The ranks are those of the whole run, in every group. */
export interface Channel {
  /** The mailbox of its messages among those of the group. */
  readonly index: number;
  readonly kind: ChannelKind;
  readonly source: number;
  readonly destination: number;
}

export interface Carrier {
  /** This process's set of mailboxes of that name, made at the first call. */
  open(name: string, numMailboxes: number): Mailboxes;
  /**
   * Brings a message, given as the handles of its tensors, into the mailbox of the same set at the channel's
   * destination.
   */
  send(mailboxes: Mailboxes, channel: Channel, message: readonly (Handle | null)[]): void;
  /** Announces that this rank is going to receive from the channel. */
  expect(channel: Channel): void;
  /** True when nothing more will arrive: the channel's sender has returned, and all that it sent has arrived. */
  hasEnded(channel: Channel): boolean;
  /** Ends every wait in the sets whose names have this prefix, in all processes. */
  close(prefix: string, reason: string): void;
}
