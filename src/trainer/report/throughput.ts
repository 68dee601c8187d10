/** `tokensPerSecond` and `secondsLeft` follow the last steps, so that a slow start is soon forgotten. */
export interface Speed {
  readonly elapsedSeconds: number;
  readonly tokensPerSecond: number;
  readonly secondsLeft: number;
}

export interface ThroughputOptions {
  readonly numSteps: number;
  readonly tokensPerStep: number;
  /** Steps done before, in a run that goes on. */
  readonly firstStep?: number;
  readonly nowMs?: () => number;
}

const NUM_RECENT_STEPS_MAX = 20;

/** Measures how fast steps go; pauses (a validation, a checkpoint) are kept out of it. */
export class Throughput {
  readonly #numSteps: number;
  readonly #tokensPerStep: number;
  readonly #nowMs: () => number;
  readonly #startMs: number;
  #stepStartMs: number;
  #numStepsDone: number;
  readonly #recentStepMs: number[] = [];

  constructor({
    numSteps,
    tokensPerStep,
    firstStep = 0,
    nowMs = () => performance.now(),
  }: ThroughputOptions) {
    this.#numSteps = numSteps;
    this.#tokensPerStep = tokensPerStep;
    this.#numStepsDone = firstStep;
    this.#nowMs = nowMs;
    this.#startMs = this.#stepStartMs = nowMs();
  }

  get elapsedSeconds(): number {
    return (this.#nowMs() - this.#startMs) / 1000;
  }

  /** To be called when a step begins after something that is no step. */
  resume(): void {
    this.#stepStartMs = this.#nowMs();
  }

  /** To be called when a step is done; the next begins at once. */
  stepDone(): Speed {
    const nowMs = this.#nowMs();
    this.#recentStepMs.push(nowMs - this.#stepStartMs);
    if (this.#recentStepMs.length > NUM_RECENT_STEPS_MAX) {
      this.#recentStepMs.shift();
    }
    this.#stepStartMs = nowMs;
    this.#numStepsDone++;
    const recentSeconds = this.#recentStepMs.reduce((sum, ms) => sum + ms, 0) / 1000;
    const stepSeconds = recentSeconds / this.#recentStepMs.length;
    return {
      elapsedSeconds: (nowMs - this.#startMs) / 1000,
      tokensPerSecond: this.#tokensPerStep / stepSeconds,
      secondsLeft: (this.#numSteps - this.#numStepsDone) * stepSeconds,
    };
  }
}
