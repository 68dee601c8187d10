import type { TLSSocket } from "node:tls";
import { LaunchError } from "../launch-error.ts";
import type { FromHub, ToHub } from "./messages.ts";
import { type HubLocation, listenSecured, type SecuredServer } from "./secure-connection.ts";
import { Wire } from "./wire.ts";

/** The port may be 0, for any that is free. */
export interface HubOptions extends HubLocation {
  readonly numMembers: number;
  /** Told of a member that is there and gives no sign of life. */
  readonly onSilent?: (member: number) => void;
}

type MemberWire = Wire<ToHub, FromHub>;

/** How long a connection may go without saying who it is. */
const JOIN_TIMEOUT_MS = 10_000;

/**
 * Where the members of a run meet, and by which their main threads speak: it tells all when all are there, passes
 * messages on, and tells those who stay of one who is gone without a word. When all have left, they may meet again.
 */
export class Hub {
  readonly #server: SecuredServer;
  readonly #numMembers: number;
  readonly #onSilent: HubOptions["onSilent"];
  readonly #members = new Map<number, MemberWire>();
  /** All have met, and not all have left yet. */
  #isInSession = false;
  #run = "";
  #onEmpty: (() => void) | undefined;

  /** @throws LaunchError ADDRESS_TAKEN, ADDRESS_NOT_HERE */
  static async listen(options: HubOptions): Promise<Hub> {
    let hub: Hub | undefined;
    try {
      const server = await listenSecured(options, (socket) => hub!.#welcome(socket));
      hub = new Hub(server, options);
      return hub;
    } catch (error) {
      throw explain(error as NodeJS.ErrnoException, options);
    }
  }

  private constructor(server: SecuredServer, { numMembers, onSilent }: HubOptions) {
    this.#server = server;
    this.#numMembers = numMembers;
    this.#onSilent = onSilent;
  }

  get port(): number {
    return this.#server.port;
  }

  /** Resolves when nobody is there any more, or after the time. */
  async whenEmpty(timeoutMs: number): Promise<void> {
    if (this.#members.size === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.#onEmpty = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** Cuts off all who are still there. */
  close(): void {
    this.#server.close();
  }

  #welcome(socket: TLSSocket): void {
    const wire: MemberWire = new Wire<ToHub, FromHub>(socket, {
      heartbeatTimeoutMs: JOIN_TIMEOUT_MS,
      onMessage: (message) => {
        if (message.kind === "join") this.#join(wire, message);
        else wire.close();
      },
      onEnd: () => {},
    });
  }

  #join(wire: MemberWire, message: ToHub & { kind: "join" }): void {
    const { member, run, heartbeatTimeoutMs } = message;
    const refusal = this.#refusalOf(message);
    if (refusal) {
      wire.send({ kind: "refused", ...refusal });
      wire.close();
      return;
    }
    this.#run = run;
    this.#members.set(member, wire);
    wire.become({
      heartbeatTimeoutMs,
      onMessage: (message) => this.#pass(member, message),
      onEnd: ({ text, isSilent }) => this.#remove(member, { why: text, isSilent }),
    });
    if (this.#members.size === this.#numMembers) {
      this.#isInSession = true;
      this.#tell({ kind: "everyone" });
    } else this.#tell({ kind: "present", members: [...this.#members.keys()].sort((a, b) => a - b) });
  }

  #refusalOf({
    member,
    numMembers,
    run,
  }: ToHub & { kind: "join" }): { reason: string; isFinal: boolean } | undefined {
    if (numMembers !== this.#numMembers)
      return { reason: `${this.#numMembers} are to meet here, not ${numMembers}`, isFinal: true };
    if (this.#isInSession || this.#members.has(member))
      return { reason: `number ${member} is in the session that has not ended yet`, isFinal: false };
    if (this.#members.size > 0 && run !== this.#run)
      return { reason: `those who meet here are of ${this.#run}, not of ${run}`, isFinal: true };
    return undefined;
  }

  #pass(from: number, message: ToHub): void {
    switch (message.kind) {
      case "send": {
        const { to, body } = message;
        const copy: FromHub = { kind: "message", from, body };
        if (to === "others") this.#tell(copy, from);
        else this.#members.get(to)?.send(copy);
        break;
      }
      case "leave":
        this.#members.get(from)!.close();
        this.#remove(from);
        break;
      case "join":
        break;
      default:
        message satisfies never;
    }
  }

  #remove(member: number, loss?: { readonly why: string; readonly isSilent: boolean }): void {
    this.#members.delete(member);
    if (loss?.isSilent) this.#onSilent?.(member);
    if (loss && this.#isInSession) this.#tell({ kind: "lost", member, ...loss });
    if (this.#members.size > 0) return;
    this.#isInSession = false;
    this.#onEmpty?.();
  }

  #tell(message: FromHub, butNot?: number): void {
    for (const [member, wire] of this.#members) if (member !== butNot) wire.send(message);
  }
}

function explain(error: NodeJS.ErrnoException, { address, port }: HubOptions): Error {
  if (error.code === "EADDRINUSE")
    return new LaunchError(
      "ADDRESS_TAKEN",
      `the port at which all meet must be free; ${address}:${port} is taken; end what uses it, or give another port`,
    );
  if (error.code === "EADDRNOTAVAIL")
    return new LaunchError(
      "ADDRESS_NOT_HERE",
      `all meet at an address of the first host; ${address} is not one of this host's; give one, or set DUALPIPE_ADDRESS to the one to listen at`,
    );
  return error;
}
