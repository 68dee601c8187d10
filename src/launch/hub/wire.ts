import type { TLSSocket } from "node:tls";

/** Why a wire ended: the other end closed it, or gave no sign of life. */
export interface WireEnd {
  readonly isSilent: boolean;
  readonly text: string;
}

export interface WireOptions<Incoming> {
  /** After so long without a sign of life the other end counts as gone. */
  readonly heartbeatTimeoutMs: number;
  readonly onMessage: (message: Incoming) => void;
  /** Called once, unless this end closes it. */
  readonly onEnd: (end: WireEnd) => void;
}

/** More than any message takes: the addresses of thousands of processes. */
const LINE_BYTES_MAX = 64 * 1024 * 1024;
const SIGNS_PER_TIMEOUT = 4;

/** Messages as lines of JSON on a secured socket; an empty line is a sign of life. */
export class Wire<Incoming, Outgoing> {
  readonly #socket: TLSSocket;
  #options: WireOptions<Incoming>;
  #timer: NodeJS.Timeout | undefined;
  #heardMs = performance.now();
  #pieces: Buffer[] = [];
  #numPieceBytes = 0;
  #isOpen = true;

  constructor(socket: TLSSocket, options: WireOptions<Incoming>) {
    this.#socket = socket;
    this.#options = options;
    socket.setNoDelay(true);
    socket.on("data", (data: Buffer) => this.#take(data));
    socket.on("error", (error) => this.#end({ isSilent: false, text: error.message }));
    socket.on("close", () => this.#end({ isSilent: false, text: "it was closed" }));
    this.#watch();
  }

  /** Takes other options from now on, when it is known who the other end is. */
  become(options: WireOptions<Incoming>): void {
    this.#options = options;
    this.#watch();
  }

  send(message: Outgoing): void {
    if (this.#isOpen) this.#socket.write(`${JSON.stringify(message)}\n`);
  }

  /** What was sent still goes out. */
  close(): void {
    if (!this.#isOpen) return;
    this.#stop();
    this.#socket.end();
    // Whoever does not answer the end in this time is cut off.
    setTimeout(() => this.#socket.destroy(), this.#options.heartbeatTimeoutMs).unref();
  }

  #watch(): void {
    clearInterval(this.#timer);
    const { heartbeatTimeoutMs } = this.#options;
    const intervalMs = heartbeatTimeoutMs / SIGNS_PER_TIMEOUT;
    let tickMs = performance.now();
    this.#timer = setInterval(() => {
      const nowMs = performance.now();
      const wasHeldUp = nowMs - tickMs > 2 * intervalMs;
      tickMs = nowMs;
      this.#socket.write("\n");
      // What came while this thread was held up lies unread: the other end is not to blame.
      if (wasHeldUp || nowMs - this.#heardMs <= heartbeatTimeoutMs) return;
      this.#end({ isSilent: true, text: `no sign of life for ${heartbeatTimeoutMs / 1000} s` });
    }, intervalMs);
  }

  #take(data: Buffer): void {
    this.#heardMs = performance.now();
    let start = 0;
    for (let end = data.indexOf(10); end >= 0; end = data.indexOf(10, start)) {
      this.#pieces.push(data.subarray(start, end));
      const line = Buffer.concat(this.#pieces).toString();
      this.#pieces = [];
      this.#numPieceBytes = 0;
      start = end + 1;
      if (line !== "" && this.#isOpen) this.#options.onMessage(JSON.parse(line) as Incoming);
    }
    this.#pieces.push(data.subarray(start));
    this.#numPieceBytes += data.length - start;
    if (this.#numPieceBytes > LINE_BYTES_MAX)
      this.#end({ isSilent: false, text: `a message is over ${LINE_BYTES_MAX} bytes` });
  }

  #end(end: WireEnd): void {
    if (!this.#isOpen) return;
    this.#stop();
    this.#socket.destroy();
    this.#options.onEnd(end);
  }

  #stop(): void {
    this.#isOpen = false;
    clearInterval(this.#timer);
  }
}
