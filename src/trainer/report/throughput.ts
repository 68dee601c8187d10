import type { Speed } from "./listener.ts";

export interface ThroughputOptions {
  readonly numSteps: number;
  readonly tokensPerStep: number;
  /** Steps that were done before, in a resumed run. */
  readonly firstStep?: number;
  readonly nowMs?: () => number;
  /** Operations of forward and backward for a token. */
  readonly flopsPerToken?: number;
}

const NUM_RECENT_STEPS_MAX = 20;

/** Measures the speed of steps, without pauses such as validations and checkpoints. */
export class Throughput {
  readonly #numSteps: number;
  readonly #tokensPerStep: number;
  readonly #nowMs: () => number;
  readonly #flopsPerToken: number | undefined;
  readonly #startMs: number;
  #stepStartMs: number;
  #numStepsDone: number;
  readonly #recentStepMs: number[] = [];
  /** What all devices can do, in operations per second. */
  peakFlops: number | undefined;

  constructor({
    numSteps,
    tokensPerStep,
    firstStep = 0,
    nowMs = () => performance.now(),
    flopsPerToken,
  }: ThroughputOptions) {
    this.#flopsPerToken = flopsPerToken;
    this.#numSteps = numSteps;
    this.#tokensPerStep = tokensPerStep;
    this.#numStepsDone = firstStep;
    this.#nowMs = nowMs;
    this.#startMs = this.#stepStartMs = nowMs();
  }

  get elapsedSeconds(): number {
    return (this.#nowMs() - this.#startMs) / 1000;
  }

  /** Call when a step begins after a pause. */
  resume(): void {
    this.#stepStartMs = this.#nowMs();
  }

  /** Call when a step is done; the next begins at once. */
  stepDone(): Speed {
    const nowMs = this.#nowMs();
    this.#recentStepMs.push(nowMs - this.#stepStartMs);
    if (this.#recentStepMs.length > NUM_RECENT_STEPS_MAX) this.#recentStepMs.shift();
    this.#stepStartMs = nowMs;
    this.#numStepsDone++;
    const recentSeconds = this.#recentStepMs.reduce((sum, ms) => sum + ms, 0) / 1000;
    const stepSeconds = recentSeconds / this.#recentStepMs.length;
    const tokensPerSecond = this.#tokensPerStep / stepSeconds;
    const [flops, peak] = [this.#flopsPerToken, this.peakFlops];
    return {
      elapsedSeconds: (nowMs - this.#startMs) / 1000,
      tokensPerSecond,
      secondsLeft: (this.#numSteps - this.#numStepsDone) * stepSeconds,
      ...(flops === undefined || peak === undefined ? {} : { mfu: (tokensPerSecond * flops) / peak }),
    };
  }
}
