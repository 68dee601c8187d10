/**
 * One member's side of a hub (hub.ts): joining it, which can fail for a while, and the session after that.
 *
 * The processes of a run start in any order, so a refused connection usually means "not yet", and sometimes "never": a
 * wrong port, a firewall, a wrong secret. The two look the same at first. So a member retries what time can cure until
 * the rendezvous timeout, and fails at once for what it cannot: a wrong secret, another run, another number of members.
 * After an address has been found, each attempt asks for it again (`locate`), because the hub may have restarted
 * elsewhere.
 *
 * A timeout that says only "timed out" is useless to the person who started forty processes. While it waits, a member
 * keeps what stands in the way: the last error of the connection or, once connected, who has not joined. That, and not
 * the wait, is what the error reports.
 *
 * Invariant: `join` resolves only when all members are there; before that no message is delivered, and no disconnect of
 * another member is reported.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { TLSSocket } from "node:tls";
import { type DisconnectCause, describeDisconnect, MALFORMED } from "../disconnect.ts";
import { LaunchError, type RendezvousWait } from "../launch-error.ts";
import { type Guard, parseJson } from "../message-shapes.ts";
import { type FromHub, isFromHub, type Refusal, type ToHub } from "./protocol.ts";
import { connectSecurely, type HubLocation } from "./secure-connection.ts";
import { Wire } from "./wire.ts";

/** A member's place in the run, and how long it waits for the others. */
interface Membership {
  /** What the members are. */
  readonly noun: RendezvousWait["noun"];
  readonly member: number;
  readonly numMembers: number;
  /** A description of the run; that of all members must be the same. */
  readonly run: string;
  /** How long to wait until all members have joined. */
  readonly rendezvousTimeoutMs: number;
  /** A member, or the hub, is gone after this long without a heartbeat. */
  readonly heartbeatTimeoutMs: number;
}

export interface JoinOptions<Body = unknown> extends Membership {
  /** Finds the hub; called before each attempt to connect. */
  readonly locate: () => Promise<HubLocation>;
  /** A member that sends this one anything else is regarded as gone. */
  readonly isBody: Guard<Body>;
  readonly onMessage: (from: number, body: Body) => void;
  /** Called when another member is gone without leaving; with undefined when it is the hub. */
  readonly onDisconnect: (member: number | undefined, cause: DisconnectCause) => void;
  readonly signal?: AbortSignal | undefined;
}

/** What a member knows, while it waits, of the reasons why it waits. */
interface Progress {
  missing: readonly number[] | undefined;
  obstacle: string;
}

const RETRY_DELAY_MS = 100;
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
  "ENOTFOUND",
  "EAI_AGAIN",
]);
const MAX_NAMED_MEMBERS = 8;
const PLURAL = { process: "processes", host: "hosts" } as const;

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
    const timeout = AbortSignal.timeout(options.rendezvousTimeoutMs);
    const signal = options.signal ? AbortSignal.any([timeout, options.signal]) : timeout;
    const progress: Progress = { missing: undefined, obstacle: "the hub has not answered" };
    for (;;) {
      try {
        const member = await HubMember.#tryToJoin(options, signal, progress);
        if (member) return member;
        await delay(RETRY_DELAY_MS, undefined, { signal });
      } catch (error) {
        options.signal?.throwIfAborted();
        if (!timeout.aborted) throw error;
        throw timeoutError(options, progress);
      }
    }
  }

  /** @returns Undefined when a retry may succeed; `progress` then says what was in the way. */
  static async #tryToJoin<Body>(
    options: JoinOptions<Body>,
    signal: AbortSignal,
    progress: Progress,
  ): Promise<HubMember | undefined> {
    const location = await options.locate();
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
      progress.obstacle = `the hub at ${address} does not answer: ${detail}`;
      return undefined;
    }
    return HubMember.#enter(socket, address, options, signal, progress);
  }

  /** Asks the hub for admission, and waits for the others. */
  static #enter<Body>(
    socket: TLSSocket,
    address: string,
    options: JoinOptions<Body>,
    signal: AbortSignal,
    progress: Progress,
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
              progress.obstacle = describeRefusal(message.refusal, options, address);
              if (message.refusal.kind === "session") resolve(undefined);
              else reject(new LaunchError("REFUSED", progress.obstacle));
              break;
            case "present":
              progress.missing = missingFrom(message.members, numMembers);
              break;
            case "everyone":
              isInSession = true;
              signal.removeEventListener("abort", abort);
              resolve(new HubMember(wire));
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
          progress.missing = undefined;
          progress.obstacle = describeDisconnect(`the hub at ${address}`, cause);
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

function timeoutError(
  { noun, member, numMembers, rendezvousTimeoutMs }: Membership,
  { missing, obstacle }: Progress,
): LaunchError {
  const wait = { noun, member, numMembers, missing, waitedMs: rendezvousTimeoutMs };
  return new LaunchError("RENDEZVOUS_TIMEOUT", describeWait(wait, obstacle), { wait });
}

/** The sentence for a rendezvous that timed out. */
function describeWait(
  { noun, member, numMembers, missing, waitedMs }: RendezvousWait,
  obstacle: string,
): string {
  const reason = missing ? `${listMembers(noun, missing)} did not join` : obstacle;
  return `${noun} ${member} waited ${waitedMs / 1000} s for all ${numMembers} ${PLURAL[noun]} of the run; ${reason}; check that all were started and can reach the first one's host`;
}

function listMembers(noun: RendezvousWait["noun"], members: readonly number[]): string {
  if (members.length === 1) return `${noun} ${members[0]}`;
  const named = members.slice(0, MAX_NAMED_MEMBERS).join(", ");
  const numOthers = members.length - MAX_NAMED_MEMBERS;
  return `${PLURAL[noun]} ${named}${numOthers > 0 ? ` and ${numOthers} more` : ""}`;
}

function describeRefusal(
  refusal: Refusal,
  { noun, member, numMembers, run }: Membership,
  address: string,
): string {
  const members = PLURAL[noun];
  switch (refusal.kind) {
    case "numMembers":
      return `all ${members} must agree on their number; ${noun} ${member} was told ${numMembers}, and the hub at ${address} expects ${refusal.numMembers}; start all with the same number, or give each run a port of its own`;
    case "run":
      return `all ${members} that join a hub must belong to the same run; ${noun} ${member} belongs to ${run}, and the hub at ${address} serves ${refusal.run}; start all with the same config and options, or give each run a port of its own`;
    case "session":
      return `the hub at ${address} still has an earlier ${noun} ${member} or an earlier session of the run`;
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
