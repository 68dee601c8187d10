/**
 * One member's side of a hub (hub.ts): joining it, which can fail for a while, and the session after that.
 *
 * A refused connection usually means "not yet", so a member retries what time can cure (waiting.ts), and fails at
 * once for what it cannot: a wrong secret, another run, another number of members. Each attempt asks for the hub's
 * address again (`locate`), because the hub may have restarted elsewhere.
 *
 * Invariant: `join` resolves only when all members are there; before that no message is delivered, and no disconnect of
 * another member is reported.
 */
import type { TLSSocket } from "node:tls";
import { type DisconnectCause, describeDisconnect, MALFORMED } from "../disconnect.ts";
import { LaunchError } from "../launch-error.ts";
import { type Guard, parseJson } from "../message-shapes.ts";
import { UNRESOLVED_CODES } from "./addresses.ts";
import { type FromHub, isFromHub, type Refusal, type ToHub } from "./protocol.ts";
import { connectSecurely, type HubLocation } from "./secure-connection.ts";
import { type Membership, PLURAL, Waiting } from "./waiting.ts";
import { Wire } from "./wire.ts";

export interface JoinOptions<Body = unknown> extends Membership {
  /** A description of the run; that of all members must be the same. */
  readonly run: string;
  /** A member, or the hub, is gone after this long without a heartbeat. */
  readonly heartbeatTimeoutMs: number;
  /**
   * Finds the hub; called before each attempt to connect. A text says why it cannot be found now, though another
   * attempt may succeed.
   */
  readonly locate: (signal: AbortSignal) => Promise<HubLocation | string>;
  /** A member that sends this one anything else is regarded as gone. */
  readonly isBody: Guard<Body>;
  readonly onMessage: (from: number, body: Body) => void;
  /** Called when another member is gone without leaving; with undefined when it is the hub. */
  readonly onDisconnect: (member: number | undefined, cause: DisconnectCause) => void;
}

/**
 * The limit for one attempt to connect. Where packets are dropped, Linux itself would retry only after up to a
 * minute.
 */
const CONNECT_TIMEOUT_MS = 5_000;
/** How a connection fails while the hub, or its host, has not started yet. */
const RETRIABLE_CODES = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ETIMEDOUT",
  ...UNRESOLVED_CODES,
]);
/** A member's connection to a hub in whose session it takes part. */
export class HubMember {
  readonly #wire: Wire<FromHub, ToHub>;

  private constructor(wire: Wire<FromHub, ToHub>) {
    this.#wire = wire;
  }

  /**
   * Resolves when all members have joined.
   * @throws LaunchError RENDEZVOUS_TIMEOUT that says who is missing, WRONG_SECRET, REFUSED; the signal's reason.
   */
  static async join<Body>(options: JoinOptions<Body>): Promise<HubMember> {
    const waiting = new Waiting(options);
    return waiting.until((signal) => HubMember.#tryToJoin(options, signal, waiting));
  }

  /** @returns Undefined when a retry may succeed; `waiting` then has what was in the way. */
  static async #tryToJoin<Body>(
    options: JoinOptions<Body>,
    signal: AbortSignal,
    waiting: Waiting,
  ): Promise<HubMember | undefined> {
    const location = await options.locate(signal);
    if (typeof location === "string") {
      waiting.obstacle = location;
      return undefined;
    }
    const address = `${location.address}:${location.port}`;
    let socket: TLSSocket;
    try {
      const limit = AbortSignal.timeout(CONNECT_TIMEOUT_MS);
      socket = await connectSecurely(location, AbortSignal.any([signal, limit]));
    } catch (error) {
      signal.throwIfAborted();
      const { name, code = "", message } = error as NodeJS.ErrnoException;
      if (code.startsWith("ERR_SSL")) throw wrongSecret(options, address);
      if (name !== "AbortError" && !RETRIABLE_CODES.has(code)) throw error;
      const detail = name === "AbortError" ? `nothing within ${CONNECT_TIMEOUT_MS / 1000} s` : message;
      waiting.obstacle = `the hub at ${address} does not answer: ${detail}`;
      return undefined;
    }
    return HubMember.#enter(socket, address, options, signal, waiting);
  }

  /** Asks the hub for admission, and waits for the others. */
  static #enter<Body>(
    socket: TLSSocket,
    address: string,
    options: JoinOptions<Body>,
    signal: AbortSignal,
    waiting: Waiting,
  ): Promise<HubMember | undefined> {
    const { member, numMembers, run, heartbeatTimeoutMs, onDisconnect } = options;
    const deliver = delivery(options);
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        wire.close();
        reject(signal.reason as Error);
      };
      signal.addEventListener("abort", abort, { once: true });
      let isInSession = false;
      const wire = new Wire<FromHub, ToHub>(socket, {
        heartbeatTimeoutMs,
        isMessage: isFromHub,
        onMessage: (message) => {
          switch (message.kind) {
            case "refused":
              signal.removeEventListener("abort", abort);
              wire.close();
              waiting.obstacle = describeRefusal(message.refusal, options, address);
              if (message.refusal.kind === "session") resolve(undefined);
              else reject(new LaunchError("REFUSED", waiting.obstacle));
              break;
            case "present":
              waiting.missing = missingFrom(message.members, numMembers);
              break;
            case "everyone":
              isInSession = true;
              signal.removeEventListener("abort", abort);
              resolve(new HubMember(wire));
              break;
            case "ping":
              wire.send({ kind: "pong" });
              break;
            case "message":
              deliver(message.from, message.body);
              break;
            case "disconnected":
              onDisconnect(message.member, message.cause);
              break;
            default:
              message satisfies never;
          }
        },
        onDisconnect: (cause) => {
          signal.removeEventListener("abort", abort);
          if (isInSession) return onDisconnect(undefined, cause);
          waiting.missing = undefined;
          waiting.obstacle = describeDisconnect(`the hub at ${address}`, cause);
          resolve(undefined);
        },
      });
      wire.send({ kind: "join", member, numMembers, run, heartbeatTimeoutMs });
    });
  }

  send(to: number | "others", body: unknown): void {
    this.#wire.send({ kind: "send", to, body: JSON.stringify(body) });
  }

  leave(): void {
    this.#wire.send({ kind: "leave" });
    this.#wire.close();
  }
}

/** Delivers the bodies of messages to a member, up to the first of each sender that is malformed. */
function delivery<Body>({ isBody, onMessage, onDisconnect }: JoinOptions<Body>) {
  const ignored = new Set<number>();
  return (from: number, text: string): void => {
    if (ignored.has(from)) return;
    const body = parseJson(text);
    if (isBody(body)) onMessage(from, body);
    else {
      ignored.add(from);
      onDisconnect(from, MALFORMED);
    }
  };
}

function missingFrom(present: readonly number[], numMembers: number): number[] {
  return Array.from({ length: numMembers }, (_, i) => i).filter((member) => !present.includes(member));
}

/** Where the numbers of members come from. */
const NUMBERS = { process: "RANK", host: "--node-rank" } as const;

function describeRefusal(
  refusal: Refusal,
  { noun, member, numMembers, run }: Membership & { readonly run: string },
  address: string,
): string {
  const members = PLURAL[noun];
  switch (refusal.kind) {
    case "numMembers":
      return `all ${members} must agree on their number; ${noun} ${member} was told ${numMembers}, and the hub at ${address} expects ${refusal.numMembers}; start all with the same number, or give each run a port of its own`;
    case "run":
      return `all ${members} that join a hub must belong to the same run; ${noun} ${member} belongs to ${run}, and the hub at ${address} serves ${refusal.run}; start all with the same versions, config and options, or give each run a port, a secret or a DUALPIPE_RUN_ID of its own`;
    case "session":
      return `the hub at ${address} still has an earlier session of the run`;
    case "member":
      return `every ${noun} of a run must have a number of its own; the hub at ${address} has a ${noun} ${member} that answers; start this one with another ${NUMBERS[noun]}, or give each run a port of its own`;
    case "protocol":
      return `all ${members} must speak the same protocol; the hub at ${address} does not understand ${noun} ${member}; start all with the same version of dualpipe, or give each run a port of its own`;
    default:
      return refusal satisfies never;
  }
}

function wrongSecret({ noun, member }: Membership, address: string): LaunchError {
  return new LaunchError(
    "WRONG_SECRET",
    `all ${PLURAL[noun]} of a run must have the same secret; the hub at ${address} rejected that of ${noun} ${member}; set DUALPIPE_SECRET to the same text on every host`,
  );
}
