import { setTimeout as delay } from "node:timers/promises";
import type { TLSSocket } from "node:tls";
import { LaunchError } from "../launch-error.ts";
import type { FromHub, ToHub } from "./messages.ts";
import { connectSecured, type HubLocation } from "./secure-connection.ts";
import { Wire, type WireEnd } from "./wire.ts";

export interface JoinOptions {
  /** Looks where the hub is, before each try. */
  readonly locate: () => Promise<HubLocation>;
  /** What the members are, such as "process". */
  readonly noun: string;
  readonly member: number;
  readonly numMembers: number;
  /** Of what run this is, in words: all must say the same. */
  readonly run: string;
  /** How long the others have to come. */
  readonly rendezvousTimeoutMs: number;
  /** After so long without a sign of life a member, or the hub, counts as gone. */
  readonly heartbeatTimeoutMs: number;
  readonly onMessage: (from: number, body: unknown) => void;
  /** Another member is gone without a word, or, when undefined, the hub. */
  readonly onLost: (member: number | undefined, loss: WireEnd) => void;
  readonly signal?: AbortSignal | undefined;
}

const RETRY_MS = 100;
/** A try that the network swallows is given up then: Linux itself would ask again after up to a minute. */
const TRY_MS = 5_000;
/** The hub is not there yet, or its host is not. */
const NOT_YET = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ETIMEDOUT",
  "ENOTFOUND",
  "EAI_AGAIN",
]);

/** One member's connection to a hub at which all members have met. */
export class HubMember {
  readonly #wire: Wire<FromHub, ToHub>;

  private constructor(wire: Wire<FromHub, ToHub>) {
    this.#wire = wire;
  }

  /**
   * Resolves when all members are there.
   * @throws LaunchError RENDEZVOUS_TIMEOUT that says who is missing, WRONG_SECRET, REFUSED; the signal's reason.
   */
  static async join(options: JoinOptions): Promise<HubMember> {
    const timeout = AbortSignal.timeout(options.rendezvousTimeoutMs);
    const signal = options.signal ? AbortSignal.any([timeout, options.signal]) : timeout;
    let obstacle = "nobody has answered";
    const note = (text: string): void => {
      obstacle = text;
    };
    for (;;) {
      try {
        const member = await HubMember.#tryToJoin(options, signal, note);
        if (member) return member;
        await delay(RETRY_MS, undefined, { signal });
      } catch (error) {
        options.signal?.throwIfAborted();
        if (!timeout.aborted) throw error;
        const { noun, member, numMembers, rendezvousTimeoutMs } = options;
        throw new LaunchError(
          "RENDEZVOUS_TIMEOUT",
          `${noun} ${member} waited ${rendezvousTimeoutMs / 1000} s for all of ${numMembers}; ${obstacle}; see whether all were started and reach the first one's host`,
        );
      }
    }
  }

  /** @returns Undefined when it is worth another try; `note` is told why nobody has met yet. */
  static async #tryToJoin(
    options: JoinOptions,
    signal: AbortSignal,
    note: (obstacle: string) => void,
  ): Promise<HubMember | undefined> {
    const location = await options.locate();
    const place = `${location.address}:${location.port}`;
    let socket: TLSSocket;
    try {
      socket = await connectSecured(location, AbortSignal.any([signal, AbortSignal.timeout(TRY_MS)]));
    } catch (error) {
      signal.throwIfAborted();
      const { name, code = "", message } = error as NodeJS.ErrnoException;
      if (name === "AbortError") {
        note(`nobody answers at ${place} within ${TRY_MS / 1000} s`);
        return undefined;
      }
      if (code.startsWith("ERR_SSL"))
        throw new LaunchError(
          "WRONG_SECRET",
          `who meets at ${place} must have the same secret; this one was not accepted; set DUALPIPE_SECRET alike everywhere`,
        );
      if (!NOT_YET.has(code)) throw error;
      note(`nobody answers at ${place}: ${message}`);
      return undefined;
    }
    return HubMember.#enter(socket, options, signal, note);
  }

  static #enter(
    socket: TLSSocket,
    options: JoinOptions,
    signal: AbortSignal,
    note: (obstacle: string) => void,
  ): Promise<HubMember | undefined> {
    const { member, numMembers, run, heartbeatTimeoutMs, noun, onMessage, onLost } = options;
    return new Promise((resolve, reject) => {
      const giveUp = (): void => {
        wire.close();
        reject(signal.reason as Error);
      };
      signal.addEventListener("abort", giveUp, { once: true });
      let hasMet = false;
      const wire = new Wire<FromHub, ToHub>(socket, {
        heartbeatTimeoutMs,
        onMessage: (message) => {
          switch (message.kind) {
            case "refused":
              signal.removeEventListener("abort", giveUp);
              wire.close();
              note(message.reason);
              if (message.isFinal) reject(new LaunchError("REFUSED", `not let in: ${message.reason}`));
              else resolve(undefined);
              break;
            case "present":
              note(`only these came: ${noun} ${message.members.join(", ")}`);
              break;
            case "everyone":
              hasMet = true;
              signal.removeEventListener("abort", giveUp);
              resolve(new HubMember(wire));
              break;
            case "message":
              onMessage(message.from, message.body);
              break;
            case "lost":
              onLost(message.member, { isSilent: message.isSilent, text: message.why });
              break;
            default:
              message satisfies never;
          }
        },
        onEnd: (end) => {
          signal.removeEventListener("abort", giveUp);
          if (hasMet) return onLost(undefined, end);
          note(`the connection ended: ${end.text}`);
          resolve(undefined);
        },
      });
      wire.send({ kind: "join", member, numMembers, run, heartbeatTimeoutMs });
    });
  }

  send(to: number | "others", body: unknown): void {
    this.#wire.send({ kind: "send", to, body });
  }

  leave(): void {
    this.#wire.send({ kind: "leave" });
    this.#wire.close();
  }
}
