import type { StepSettings } from "../view/settings.ts";
import type { StepAnswer } from "./step-result.ts";

export interface StepRequest {
  readonly id: number;
  readonly settings: StepSettings;
}

export interface WorkerAnswer {
  readonly id: number;
  readonly answer: StepAnswer;
  /** False for the first answer for a large step. */
  readonly isLast: boolean;
}

/** Takes an answer. */
export type TakeAnswer = (answer: StepAnswer, isLast: boolean) => void;

interface Waiting {
  readonly settings: StepSettings;
  readonly take: TakeAnswer;
}

/**
 * Asks the worker thread for steps, one at a time. While a slider is dragged, requests come faster than a large step is
 * simulated, so for each asker only the newest of those that wait is kept. A large step that is shown already, and only
 * has to be verified, gives way to a new request: its thread is ended.
 */
export class WorkerClient {
  readonly #makeWorker: () => Worker;
  readonly #waiting = new Map<string, Waiting>();
  #worker: Worker;
  #running: Waiting | undefined;
  #isShown = false;
  #id = 0;

  constructor(makeWorker: () => Worker) {
    this.#makeWorker = makeWorker;
    this.#worker = this.#startWorker();
  }

  /** @param asker Whose earlier request that has not started is dropped. */
  ask(asker: string, settings: StepSettings, take: TakeAnswer): void {
    this.#waiting.set(asker, { settings, take });
    if (this.#running !== undefined && this.#isShown) {
      this.#worker.terminate();
      this.#worker = this.#startWorker();
      this.#running = undefined;
    }
    this.#start();
  }

  #startWorker(): Worker {
    const worker = this.#makeWorker();
    worker.onmessage = ({ data: { answer, isLast } }: MessageEvent<WorkerAnswer>) => {
      if (isLast) this.#end(answer);
      else {
        this.#isShown = true;
        this.#running?.take(answer, false);
      }
    };
    worker.onerror = (event) => this.#end({ problem: `the simulation failed: ${event.message}` });
    return worker;
  }

  #start(): void {
    if (this.#running !== undefined) return;
    const [next] = this.#waiting;
    if (next === undefined) return;
    const [asker, waiting] = next;
    this.#waiting.delete(asker);
    this.#running = waiting;
    this.#isShown = false;
    this.#worker.postMessage({ id: this.#id++, settings: waiting.settings } satisfies StepRequest);
  }

  #end(answer: StepAnswer): void {
    const ended = this.#running;
    this.#running = undefined;
    this.#start();
    ended?.take(answer, true);
  }
}
