import { availableParallelism } from "node:os";
import { counted } from "../errors/counted.ts";

const REPORT_EVERY_MS = 15_000;
/** Measured with LibTorch 1.13 and GCC 12: the precompiled header comes first and alone, the rest in parallel. */
const HEADER_SECONDS = 30;
const SOURCES_CPU_SECONDS = 150;

/** Tells a user how long a build will take: before it starts, and from then on by the steps that are done. */
export class BuildProgress {
  readonly #onLine: ((line: string) => void) | undefined;
  readonly #startMs = performance.now();
  readonly #estimatedSeconds: number;
  readonly #timer: NodeJS.Timeout;
  #done = 0;
  #total = 0;

  constructor(
    target: string,
    onLine: ((line: string) => void) | undefined,
    cores: number = availableParallelism(),
  ) {
    this.#onLine = onLine;
    this.#estimatedSeconds = HEADER_SECONDS + SOURCES_CPU_SECONDS / cores;
    onLine?.(
      `building the native addon for ${target}: about ${this.#estimatedSeconds.toFixed(0)} s on ${counted(cores, "core")}, once for this LibTorch`,
    );
    this.#timer = setInterval(() => this.#report(), REPORT_EVERY_MS).unref();
  }

  /** Finds the number of the current step in the output of Ninja, `[3/13]`, or Make, `[ 23%]`. */
  read(output: string): void {
    const [, done, total] = /(?:^|\n)\[\s*(\d+)(?:\/(\d+)|%)\][^\n]*\n?$/.exec(output) ?? [];
    if (done === undefined) return;
    this.#done = Number(done);
    this.#total = Number(total ?? 100);
  }

  /** The seconds left, estimated when `elapsedSeconds` have passed. */
  secondsLeft(elapsedSeconds: number): number {
    const headerShare = HEADER_SECONDS / this.#estimatedSeconds;
    // On a machine that is slower than expected the header alone takes longer, and so will the rest.
    if (this.#done === 0)
      return Math.round(
        Math.max(this.#estimatedSeconds - elapsedSeconds, elapsedSeconds / headerShare - elapsedSeconds),
      );
    const doneShare = headerShare + ((1 - headerShare) * (this.#done - 1)) / Math.max(1, this.#total - 1);
    return Math.round((elapsedSeconds * (1 - doneShare)) / doneShare);
  }

  finish(): void {
    this.#onLine?.(`built the native addon in ${this.#elapsedSeconds().toFixed(0)} s`);
  }

  /** Ends the reports. */
  stop(): void {
    clearInterval(this.#timer);
  }

  #report(): void {
    const elapsed = this.#elapsedSeconds();
    const steps = this.#total === 0 ? "" : `${this.#done} of ${this.#total} steps, `;
    this.#onLine?.(
      `building the native addon: ${steps}${elapsed.toFixed(0)} s so far, about ${this.secondsLeft(elapsed)} s left`,
    );
  }

  #elapsedSeconds(): number {
    return (performance.now() - this.#startMs) / 1000;
  }
}
