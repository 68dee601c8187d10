// How a message gets from one rank to another: the part of a transport that differs between transports.
//
// The contract of a ProcessGroup is long: order within a channel, receives that are posted early, aborts that reach
// every rank once, a group that works again after an abort, groups of some of the ranks. If each transport kept it by
// itself, it would be written, and got wrong, once per transport.
//
// So `MailboxGroup` keeps it once, on top of the mailboxes of this process (native/mailbox.cpp), and a Carrier does the
// rest: it puts a message into the receiver's mailbox, wherever the receiver is. Between threads that is one call;
// between processes a bridge does it (native/process_bridge.cpp), and another transport would be a third Carrier.
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

/** A message on its way: the handles of its tensors, and what the receiver checks. */
export interface Parcel {
  readonly handles: readonly (Handle | null)[];
  readonly label: string;
  readonly phases: Phases;
}

/** The number of the sender's phase in the group and, before it, in each group that it is a subgroup of. */
export type Phases = readonly number[];

/** Closes what belongs to a phase or a later one, at one level: 0 is the group of all ranks, 1 its subgroups. */
export interface Closing {
  readonly reason: string;
  readonly level: number;
  readonly fromPhase: number;
}

export interface Carrier {
  /** Whether all ranks are threads of this process. */
  readonly isWithinProcess: boolean;
  /** This process's set of mailboxes of that name, made at the first call. */
  open(name: string, numMailboxes: number): Mailboxes;
  /** Brings a message into the mailbox of the same set at the channel's destination. */
  send(mailboxes: Mailboxes, channel: Channel, parcel: Parcel): void;
  /** Announces that this rank is going to receive from the channel. */
  expect(channel: Channel): void;
  /** True when nothing more will arrive: the channel's sender has returned, and all that it sent has arrived. */
  hasEnded(channel: Channel): boolean;
  /** Whether tensors on cards need `connect`. */
  readonly connectsCards: boolean;
  /** Prepares these channels, at most one end of each here, for tensors on cards; waits for their other ends. */
  connect(channels: readonly Channel[], rank: number, timeoutMs: number): void;
  /** Ends every wait of these phases in the sets whose names have this prefix, in all processes. */
  close(prefix: string, closing: Closing): void;
}
