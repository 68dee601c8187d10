/** What was asked of the ranks besides their steps. */
export type CheckpointRequest = "none" | "goOn" | "stop";

const NUM_REQUESTED = 0;
const STOP = 1;
const NUM_WRITTEN = 2;

/** The main thread's word to ranks that compute and take no messages: memory that both see. */
export class CheckpointRequests {
  readonly memory = new SharedArrayBuffer(3 * Int32Array.BYTES_PER_ELEMENT);
  readonly #numbers = new Int32Array(this.memory);
  /** Set while there are ranks that look. */
  isOpen = false;

  /** Asks for a checkpoint after the step that is under way. @returns Whether a run heard it. */
  request(then: Exclude<CheckpointRequest, "none">): boolean {
    if (!this.isOpen) return false;
    if (then === "stop") Atomics.store(this.#numbers, STOP, 1);
    Atomics.add(this.#numbers, NUM_REQUESTED, 1);
    return true;
  }

  /** To be called when a checkpoint was written or given up: the ranks may send the next. */
  written(): void {
    Atomics.add(this.#numbers, NUM_WRITTEN, 1);
    Atomics.notify(this.#numbers, NUM_WRITTEN);
  }
}

/** A rank's end of `CheckpointRequests`. */
export class RequestsOfRank {
  readonly #numbers: Int32Array;
  #numSeen = 0;
  #numSent = 0;

  constructor(memory: SharedArrayBuffer) {
    this.#numbers = new Int32Array(memory);
  }

  /** What was asked since the last call. */
  take(): CheckpointRequest {
    const numRequested = Atomics.load(this.#numbers, NUM_REQUESTED);
    if (numRequested === this.#numSeen) return "none";
    this.#numSeen = numRequested;
    return Atomics.load(this.#numbers, STOP) === 1 ? "stop" : "goOn";
  }

  /** Blocks until every checkpoint that this rank sent is written, so that no more than one is in memory. */
  waitForTurn(): void {
    for (;;) {
      const numWritten = Atomics.load(this.#numbers, NUM_WRITTEN);
      if (numWritten >= this.#numSent) break;
      Atomics.wait(this.#numbers, NUM_WRITTEN, numWritten);
    }
    this.#numSent++;
  }
}
