import type { StepSettings } from "../view/settings.ts";
import type { StepAnswer } from "./step-result.ts";

export interface StepRequest {
  readonly id: number;
  readonly settings: StepSettings;
}

interface Waiting {
  readonly settings: StepSettings;
  readonly take: (answer: StepAnswer) => void;
}

/**
 * Asks the worker thread for steps, one at a time. While a slider is dragged, requests come faster than a large step is
 * simulated, so for each asker only the newest of those that wait is kept.
 */
export class WorkerClient {
  readonly #worker: Worker;
  readonly #waiting = new Map<string, Waiting>();
  #running: Waiting | undefined;
  #id = 0;

  constructor(worker: Worker) {
    this.#worker = worker;
    worker.onmessage = ({ data }: MessageEvent<{ id: number; answer: StepAnswer }>) => this.#end(data.answer);
    worker.onerror = (event) => this.#end({ problem: `the simulation failed: ${event.message}` });
  }

  /** @param asker Whose earlier request that has not started is dropped. */
  ask(asker: string, settings: StepSettings, take: (answer: StepAnswer) => void): void {
    this.#waiting.set(asker, { settings, take });
    this.#start();
  }

  #start(): void {
    if (this.#running !== undefined) return;
    const [next] = this.#waiting;
    if (next === undefined) return;
    const [asker, waiting] = next;
    this.#waiting.delete(asker);
    this.#running = waiting;
    this.#worker.postMessage({ id: this.#id++, settings: waiting.settings } satisfies StepRequest);
  }

  #end(answer: StepAnswer): void {
    const ended = this.#running;
    this.#running = undefined;
    this.#start();
    ended?.take(answer);
  }
}
