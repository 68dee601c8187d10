/**
 * One end of a connection between a hub and a member: messages as lines of JSON over TLS, and heartbeats.
 *
 * TCP alone does not notice that the other end is gone. A killed process closes its socket, but a stopped
 * process, a hung host and a pulled cable send nothing at all, and TCP's own keep-alive takes hours. So each
 * end sends a heartbeat (an empty line) four times per timeout, and any byte from the other end counts as one.
 * After a whole timeout without a byte, the connection has ended.
 *
 * An end that was held up itself, by a long synchronous computation or a suspended laptop, must not blame the
 * other: bytes that arrived meanwhile are still unread. A tick that comes late is therefore skipped, and the
 * next one decides.
 */
import type { TLSSocket } from "node:tls";
import { type DisconnectCause, MALFORMED } from "../disconnect.ts";
import { type Guard, parseJson } from "../message-shapes.ts";

export interface WireOptions<Incoming, Outgoing> {
  /** The other end is gone after this long without a heartbeat. */
  readonly heartbeatTimeoutMs: number;
  /** A connection over which anything else comes is closed. */
  readonly isMessage: Guard<Incoming>;
  /** What the other end is told when it loses its connection for what it sent. */
  readonly objection?: Outgoing;
  readonly onMessage: (message: Incoming) => void;
  /** Called once, unless this end closes the connection. */
  readonly onDisconnect: (cause: DisconnectCause) => void;
}

/** A limit for a message, and for all that wait to be sent; the addresses of thousands of processes take less. */
const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;
/** How long the other end has to close its side. */
const CLOSE_TIMEOUT_MS = 10_000;
const HEARTBEATS_PER_TIMEOUT = 4;
const LINE_FEED = 10;

export class Wire<Incoming, Outgoing> {
  readonly #socket: TLSSocket;
  #options: WireOptions<Incoming, Outgoing>;
  #timer: NodeJS.Timeout | undefined;
  #lastHeardMs = performance.now();
  /** The pieces of a line whose end has not arrived. */
  #pieces: Buffer[] = [];
  #numPieceBytes = 0;
  #isOpen = true;

  constructor(socket: TLSSocket, options: WireOptions<Incoming, Outgoing>) {
    this.#socket = socket;
    this.#options = options;
    socket.setNoDelay(true);
    socket.on("data", (data: Buffer) => this.#take(data));
    socket.on("error", (error) => this.#end({ kind: "closed", detail: error.message }));
    socket.on("close", () => this.#end({ kind: "closed", detail: "the connection was closed" }));
    this.#startHeartbeats();
  }

  /** Replaces the options once the other end has said which member it is. */
  become(options: WireOptions<Incoming, Outgoing>): void {
    this.#options = options;
    this.#startHeartbeats();
  }

  send(message: Outgoing): void {
    if (!this.#isOpen) return;
    this.#socket.write(`${JSON.stringify(message)}\n`);
    if (this.#socket.writableLength > MAX_MESSAGE_BYTES)
      this.#end({
        kind: "closed",
        detail: `it left more than ${MAX_MESSAGE_BYTES} bytes of messages unread`,
      });
  }

  /** Ends the connection because of what the other end has sent. */
  reject(): void {
    if (!this.#isOpen) return;
    const { objection, onDisconnect } = this.#options;
    if (objection !== undefined) this.send(objection);
    this.close();
    onDisconnect(MALFORMED);
  }

  /** Ends this side of the connection; messages that were sent before still arrive. */
  close(): void {
    if (!this.#isOpen) return;
    this.#stop();
    this.#socket.end();
    setTimeout(() => this.#socket.destroy(), CLOSE_TIMEOUT_MS).unref();
  }

  #startHeartbeats(): void {
    clearInterval(this.#timer);
    const { heartbeatTimeoutMs: timeoutMs } = this.#options;
    const intervalMs = timeoutMs / HEARTBEATS_PER_TIMEOUT;
    let lastTickMs = performance.now();
    this.#timer = setInterval(() => {
      const nowMs = performance.now();
      const wasHeldUp = nowMs - lastTickMs > 2 * intervalMs;
      lastTickMs = nowMs;
      this.#socket.write("\n");
      if (wasHeldUp || nowMs - this.#lastHeardMs <= timeoutMs) return;
      this.#end({ kind: "no heartbeat", timeoutMs });
    }, intervalMs);
  }

  #take(data: Buffer): void {
    this.#lastHeardMs = performance.now();
    let start = 0;
    for (let end = data.indexOf(LINE_FEED); end >= 0; end = data.indexOf(LINE_FEED, start)) {
      this.#pieces.push(data.subarray(start, end));
      const line = Buffer.concat(this.#pieces).toString();
      this.#pieces = [];
      this.#numPieceBytes = 0;
      start = end + 1;
      if (line !== "" && this.#isOpen) this.#read(line);
    }
    if (!this.#isOpen) return;
    this.#pieces.push(data.subarray(start));
    this.#numPieceBytes += data.length - start;
    if (this.#numPieceBytes > MAX_MESSAGE_BYTES)
      this.#end({ kind: "closed", detail: `it sent a message of more than ${MAX_MESSAGE_BYTES} bytes` });
  }

  #read(line: string): void {
    const message = parseJson(line);
    if (this.#options.isMessage(message)) this.#options.onMessage(message);
    else this.reject();
  }

  #end(cause: DisconnectCause): void {
    if (!this.#isOpen) return;
    this.#stop();
    this.#socket.destroy();
    this.#options.onDisconnect(cause);
  }

  #stop(): void {
    this.#isOpen = false;
    clearInterval(this.#timer);
  }
}
