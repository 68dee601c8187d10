/*
 * Tells pages what happens in a run, as server-sent events. The run must never wait for a page, so a message is
 * formatted once, only when it comes, and handed to the system; a page that takes them too slowly is disconnected, and
 * reconnects by itself. Each connection begins with everything that was said before. Of long runs every second step is
 * dropped once there are too many, so that memory and the first answer stay small.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { RunMessage } from "../../studio/run/run-message.ts";

/** Steps that are kept for pages that connect later. */
const MAX_STEPS = 8_192;
/** What may wait to be sent to one page, in bytes. */
const MAX_WAITING = 8_000_000;
/** A line that is no event, by which both sides notice a connection that is gone. */
const HEARTBEAT_MS = 5_000;

export class RunEvents {
  readonly #pages = new Set<ServerResponse>();
  readonly #heartbeat = setInterval(() => this.#write(": still here\n\n"), HEARTBEAT_MS).unref();
  #first = "";
  #steps: string[] = [];
  #others: string[] = [];
  #timeline = "";
  #memory = "";
  readonly #processes = new Map<number, string>();
  #end = "";

  /** Answers a page that connects, and keeps the connection. */
  readonly route = (_request: IncomingMessage, response: ServerResponse): void => {
    response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
    response.write(
      [
        ...["retry: 1000\n\n", this.#first, textOf({ kind: "clock", nowMs: Date.now() })],
        ...[...this.#steps, ...this.#others, ...this.#processes.values()],
        ...[this.#memory, this.#timeline, this.#end],
      ].join(""),
    );
    this.#pages.add(response);
    response.on("close", () => this.#pages.delete(response));
  };

  /** Tells all pages, and those that connect later. */
  tell(message: RunMessage): void {
    const text = textOf(message);
    switch (message.kind) {
      case "run":
        this.#first = text;
        this.#steps = [];
        this.#others = [];
        this.#timeline = "";
        this.#memory = "";
        this.#processes.clear();
        this.#end = "";
        break;
      case "train":
        this.#steps.push(text);
        if (this.#steps.length > MAX_STEPS) this.#steps = this.#steps.filter((_, i) => i % 2 === 1);
        break;
      case "timeline":
        this.#timeline = text;
        break;
      case "memory":
        this.#memory = text;
        break;
      case "process":
        this.#processes.set(message.process, text);
        break;
      case "end":
        this.#end = text;
        break;
      case "clock":
        break;
      case "failed":
      case "validation":
      case "checkpoint":
      case "checkpointFailed":
        this.#others.push(text);
        break;
      default:
        message satisfies never;
    }
    this.#write(text);
  }

  /** Ends all connections once what was said is sent. */
  close(): void {
    clearInterval(this.#heartbeat);
    for (const page of this.#pages) page.end();
  }

  #write(text: string): void {
    for (const page of this.#pages) {
      if (page.writableLength > MAX_WAITING) page.destroy();
      else page.write(text);
    }
  }
}

/** A message as an event. */
function textOf(message: RunMessage): string {
  return `data: ${JSON.stringify(message, nameNonFinite)}\n\n`;
}

/** JSON has neither NaN nor infinities, and its `null` would hide what a loss became. */
function nameNonFinite(_key: string, value: unknown): unknown {
  return typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
}
