import type { RecordedTrack } from "../../engine/record/recorder.ts";

/**
 * A rank's tracks of the steps whose timelines are still to be reported: those of the last steps, as far as they go.
 */
export class RecordedSteps {
  readonly #intervals: readonly number[];
  readonly #numKept: number;
  #kept: { readonly step: number; readonly track: RecordedTrack }[] = [];

  /**
   * @param intervals A step that is a multiple of any of these is reported at once.
   * @param numKept How many of the other steps to keep until the end.
   */
  constructor(intervals: readonly number[], numKept: number) {
    this.#intervals = intervals;
    this.#numKept = numKept;
  }

  /**
   * Whether the times of a step are needed, for runs in which they cost something: those that are reported at once, the
   * first two, so that there are some however a run ends, and the last three.
   */
  isDue(step: number, lastStep: number): boolean {
    return step <= 2 || step > lastStep - 3 || this.#intervals.some((interval) => step % interval === 0);
  }

  /** Adds a step. @returns The steps to report now. */
  add(step: number, track: RecordedTrack): readonly { step: number; track: RecordedTrack }[] {
    if (this.#intervals.some((interval) => step % interval === 0)) return [{ step, track }];
    this.#kept.push({ step, track });
    if (this.#kept.length > this.#numKept) this.#kept.shift();
    return [];
  }

  /** Ends the recording. @returns The kept steps, oldest first. */
  end(): readonly { step: number; track: RecordedTrack }[] {
    const kept = this.#kept;
    this.#kept = [];
    return kept;
  }
}
