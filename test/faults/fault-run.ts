import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { type SpawnOptions, TrainingRun } from "../checkpoint/training-run.ts";
import { processesNaming, until } from "./processes.ts";
import { RandomNumbers } from "./random-numbers.ts";

/** The number of faults of each kind: a few where a person waits, and hundreds when DUALPIPE_FAULTS asks for them. */
export const NUM_FAULTS = Number(process.env.DUALPIPE_FAULTS || (process.env.CI ? 4 : 3));

/** The next fault comes after fewer steps than this. */
const STEPS_BETWEEN_FAULTS = 4;

/** Two pipelines of two ranks each. */
const OVERRIDES = [
  "pipeline.replicas=2",
  "pipeline.microBatches=4",
  "checkpoint.everySteps=1",
  "validation.everySteps=7",
  "timeouts.silenceSeconds=2",
  "timeouts.meetSeconds=20",
];

/** A training run with faults, which is compared with one without. */
export class FaultRun implements Disposable {
  readonly run = new TrainingRun();
  readonly random: RandomNumbers;
  readonly #seed: number;
  readonly #overrides: readonly string[];

  /**
   * @param stepsPerFault Enough steps that the run outlasts its faults, even on a slow machine.
   * @param overrides More keys of its configuration.
   */
  constructor(seed: number, stepsPerFault = STEPS_BETWEEN_FAULTS, overrides: readonly string[] = []) {
    this.#seed = seed;
    this.random = new RandomNumbers(seed);
    this.#overrides = [...OVERRIDES, `training.steps=${stepsPerFault * NUM_FAULTS + 2}`, ...overrides];
  }

  /** Trains without faults, on four threads of this process. Call it first. */
  async trainUndisturbed(): Promise<void> {
    await this.run.train("whole", this.#overrides);
  }

  /** Resumes a run on four threads of this process; its output is in `run.lines`. */
  async resume(dir: string): Promise<void> {
    await this.run.train(dir, this.#overrides, true);
  }

  /** Starts a launcher. */
  launch(dir: string, launch: readonly string[], options: Omit<SpawnOptions, "launch"> = {}) {
    mkdirSync(join(this.run.dir(dir), "checkpoints"), { recursive: true });
    return this.run.spawn(this.run.dir(dir), this.#overrides, { ...options, launch });
  }

  /** Resolves at a random moment within the first few steps after a start or a restart. */
  async randomMoment(dir: string, explain?: () => string): Promise<void> {
    const before = this.#numMetrics(dir);
    const numSteps = this.random.below(STEPS_BETWEEN_FAULTS);
    await until(`${numSteps} more steps`, () => this.#numMetrics(dir) >= before + numSteps, explain);
    // Then at a random moment of the next milliseconds, in the middle of any activity.
    for (let i = this.random.below(2000); i > 0; i--) await new Promise(setImmediate);
  }

  #numMetrics(dir: string): number {
    const path = join(this.run.dir(dir), "metrics.jsonl");
    return existsSync(path) ? readFileSync(path, "utf8").split("\n").length : 0;
  }

  /** Checks that the run ended like the one without faults, and left neither files nor processes behind. */
  async expectAsUndisturbed(dir: string): Promise<void> {
    const note = `seed ${this.#seed}`;
    expect(await this.run.weights(dir), note).toBe(await this.run.weights("whole"));
    expect(this.run.metrics(dir), note).toEqual(this.run.metrics("whole"));
    expect(this.run.temporaryFiles(dir), note).toEqual([]);
    expect(processesNaming(this.run.dir(dir)), note).toEqual([]);
  }

  [Symbol.dispose](): void {
    for (const pid of processesNaming(this.run.folder)) process.kill(pid, "SIGKILL");
    this.run[Symbol.dispose]();
  }
}
