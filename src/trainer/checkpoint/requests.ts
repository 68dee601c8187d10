/*
 * A rank computes without returning to its event loop, so it can neither take a message nor a signal. Main thread and
 * ranks therefore share three numbers: how many checkpoints were asked for, whether the run shall then end, and how
 * many checkpoints were written. Rank 0 compares the first with what it has seen, after each step, and its answer goes
 * to all ranks with the losses; the third is what a rank sleeps on when it would send a second checkpoint before the
 * first is written. The numbers only grow, so no request is lost and none is taken twice.
 */

/** What the ranks are asked to do after a step. */
export type CheckpointRequest = "none" | "goOn" | "stop";

const NUM_REQUESTED = 0;
const STOP = 1;
const NUM_WRITTEN = 2;

/** The main thread's end of the shared numbers. */
export class CheckpointRequests {
  readonly memory = new SharedArrayBuffer(3 * Int32Array.BYTES_PER_ELEMENT);
  readonly #numbers = new Int32Array(this.memory);
  /** True while there are ranks that look. */
  isOpen = false;

  /** Asks for a checkpoint after the current step. @returns Whether a run takes the request. */
  request(then: Exclude<CheckpointRequest, "none">): boolean {
    if (!this.isOpen) return false;
    if (then === "stop") Atomics.store(this.#numbers, STOP, 1);
    Atomics.add(this.#numbers, NUM_REQUESTED, 1);
    return true;
  }

  /** Call when a checkpoint was written or given up: the ranks may send the next. */
  written(): void {
    Atomics.add(this.#numbers, NUM_WRITTEN, 1);
    Atomics.notify(this.#numbers, NUM_WRITTEN);
  }
}

/** A rank's end of the shared numbers. */
export class RequestsOfRank {
  readonly #numbers: Int32Array;
  #numSeen = 0;
  #numSent = 0;

  constructor(memory: SharedArrayBuffer) {
    this.#numbers = new Int32Array(memory);
  }

  /** What was asked for since the last call. */
  take(): CheckpointRequest {
    const numRequested = Atomics.load(this.#numbers, NUM_REQUESTED);
    if (numRequested === this.#numSeen) return "none";
    this.#numSeen = numRequested;
    return Atomics.load(this.#numbers, STOP) === 1 ? "stop" : "goOn";
  }

  /** Blocks until every checkpoint that this rank sent is written, so that at most one is in memory. */
  waitForTurn(): void {
    for (;;) {
      const numWritten = Atomics.load(this.#numbers, NUM_WRITTEN);
      if (numWritten >= this.#numSent) break;
      Atomics.wait(this.#numbers, NUM_WRITTEN, numWritten);
    }
    this.#numSent++;
  }
}
