/*
 * Asks for plans in a thread of its own: planning takes seconds, and the steps of the page must not wait for it. Only
 * the newest question counts, so a thread that is busy with an older one is ended. The thread starts with the first
 * question, because most visitors never plan.
 */
import { signal } from "@preact/signals";
import type { PlanAnswer, PlanResult } from "../worker/plan-devices.ts";
import type { PlanTexts } from "./plan-settings.ts";

export class Planner {
  /** The newest plan; it stays while fields are wrong. */
  readonly result = signal<PlanResult | undefined>(undefined);
  readonly problem = signal<string | undefined>(undefined);
  readonly isBusy = signal(false);
  readonly #makeWorker: () => Worker;
  #worker: Worker | undefined;
  #asked: string | undefined;

  constructor(makeWorker: () => Worker) {
    this.#makeWorker = makeWorker;
  }

  /** Plans for these texts, unless that has been asked already. */
  ask(texts: PlanTexts): void {
    const asked = JSON.stringify(texts);
    if (asked === this.#asked) return;
    this.#asked = asked;
    if (this.isBusy.value) {
      this.#worker?.terminate();
      this.#worker = undefined;
    }
    this.isBusy.value = true;
    this.#worker ??= this.#startWorker();
    this.#worker.postMessage({ plan: texts });
  }

  #startWorker(): Worker {
    const worker = this.#makeWorker();
    worker.onmessage = ({ data }: MessageEvent<PlanAnswer>) => this.#take(data);
    worker.onerror = ({ message }) => this.#take({ problem: `the plan failed: ${message}` });
    return worker;
  }

  #take(answer: PlanAnswer): void {
    if ("problem" in answer) this.problem.value = answer.problem;
    else {
      this.problem.value = undefined;
      this.result.value = answer;
    }
    this.isBusy.value = !("problem" in answer || answer.search !== undefined);
  }
}
