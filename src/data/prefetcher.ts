// Reads batches in a thread of its own, so that decoding images takes no time from the rank.
//
// A rank's program is synchronous: while it trains, its thread gets no events. So an answer is not an event here. The
// thread posts it and counts it up in shared memory; the rank sleeps until the count changes, and takes the message
// from the port itself.
//
// An iteration that ends early leaves requests behind. They are answered all the same, and their answers dropped.
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from "node:worker_threads";
import { FileError, type FileErrorCode } from "../files/file-error.ts";
import type { ElementArray } from "../tensor/values/elements.ts";
import { DataSetError, type DataSetErrorCode, type DataSetOrigin } from "./data-set.ts";

/** Rows of some columns. */
export type RowsToRead = readonly { readonly column: string; readonly rows: readonly number[] }[];

export interface PrefetchData {
  readonly origin: DataSetOrigin;
  readonly port: MessagePort;
  /** The number of answers so far: Int32 [1]. */
  readonly count: SharedArrayBuffer;
}

export interface PrefetchRequest {
  readonly id: number;
  readonly toRead: RowsToRead;
}

export type PrefetchAnswer =
  | { readonly id: number; readonly arrays: readonly ElementArray[] }
  | { readonly id: number; readonly error: { name: string; code: string; problem: string } };

const TIMEOUT_MS = 600_000;

export class Prefetcher {
  readonly #worker: Worker;
  readonly #port: MessagePort;
  readonly #count = new Int32Array(new SharedArrayBuffer(4));
  readonly #answers = new Map<number, PrefetchAnswer>();
  readonly #dropped = new Set<number>();
  #numRequests = 0;

  constructor(origin: DataSetOrigin) {
    const { port1, port2 } = new MessageChannel();
    const entry = new URL(
      import.meta.url.endsWith(".ts") ? "./prefetch-thread.ts" : "./prefetch-thread.js",
      import.meta.url,
    );
    const workerData: PrefetchData = { origin, port: port2, count: this.#count.buffer as SharedArrayBuffer };
    this.#port = port1;
    this.#worker = new Worker(entry, { workerData, transferList: [port2] });
    this.#worker.unref();
  }

  /** Asks for rows. @returns A number to `take` or `drop` them by. */
  request(toRead: RowsToRead): number {
    const id = this.#numRequests++;
    this.#port.postMessage({ id, toRead } satisfies PrefetchRequest);
    return id;
  }

  /** Waits for what was asked for, one array for each column. @throws FileError, DataSetError */
  take(id: number): readonly ElementArray[] {
    for (;;) {
      const answer = this.#answers.get(id);
      if (answer !== undefined) {
        this.#answers.delete(id);
        if ("arrays" in answer) return answer.arrays;
        throw errorOf(answer.error);
      }
      const seen = Atomics.load(this.#count, 0);
      if (this.#receive()) continue;
      if (Atomics.wait(this.#count, 0, seen, TIMEOUT_MS) === "timed-out")
        throw new DataSetError(
          "PREFETCH_FAILED",
          `the thread that reads ahead has given no rows for ${TIMEOUT_MS / 1000} s; use prefetch: 0 to see its error here`,
        );
    }
  }

  /** Forgets what was asked for. */
  drop(id: number): void {
    if (!this.#answers.delete(id)) this.#dropped.add(id);
  }

  /** Whether there was an answer. */
  #receive(): boolean {
    const message = receiveMessageOnPort(this.#port) as { readonly message: PrefetchAnswer } | undefined;
    if (message === undefined) return false;
    const { id } = message.message;
    if (!this.#dropped.delete(id)) this.#answers.set(id, message.message);
    return true;
  }

  dispose(): void {
    this.#port.close();
    void this.#worker.terminate();
  }
}

/** An error loses its class and its code when it crosses threads. */
function errorOf({ name, code, problem }: { name: string; code: string; problem: string }): Error {
  return name === "FileError"
    ? new FileError(code as FileErrorCode, problem)
    : new DataSetError(code as DataSetErrorCode, problem);
}
