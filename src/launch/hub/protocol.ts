import { isDisconnectCause } from "../disconnect.ts";
import {
  either,
  exactly,
  isCount,
  isDuration,
  isText,
  listOf,
  type MessageOf,
  messageGuard,
} from "../message-shapes.ts";

/** Messages from a member to its hub. */
const TO_HUB = {
  join: {
    member: isCount,
    numMembers: isCount,
    /** A description of the run; that of all members must be the same. */
    run: isText,
    heartbeatTimeoutMs: isDuration,
  },
  /** The body is JSON for the receiver. The hub does not read it, so no body can harm the hub. */
  send: { to: either(isCount, exactly("others")), body: isText },
  leave: {},
  /** The answer to `ping`. */
  pong: {},
};

/** Why a hub does not admit a member. */
const REFUSALS = {
  numMembers: { numMembers: isCount },
  run: { run: isText },
  /** The session before is not over; a retry may succeed. */
  session: {},
  /** Another member of the same number is there, and answers. */
  member: {},
  /** The hub does not understand the member. */
  protocol: {},
};

/** Messages from a hub to a member. */
const FROM_HUB = {
  refused: { refusal: messageGuard(REFUSALS) },
  /** The members that have joined, while some are missing. */
  present: { members: listOf(isCount) },
  /** All members have joined: the session starts. */
  everyone: {},
  message: { from: isCount, body: isText },
  /** Asks for an answer, because another one wants to join as this member. */
  ping: {},
  disconnected: { member: isCount, cause: isDisconnectCause },
};

export type ToHub = MessageOf<typeof TO_HUB>;
export type FromHub = MessageOf<typeof FROM_HUB>;
export type Refusal = MessageOf<typeof REFUSALS>;

export const isToHub = messageGuard(TO_HUB);
export const isFromHub = messageGuard(FROM_HUB);
