/*
 * The parts of a step, and which of them a rank is in. DualPipe and DualPipeV have the eight of their paper; any other
 * schedule has three, which its own order of computations shows: forwards alone, both, backwards alone.
 */
import { findSchedule, Opcode } from "../../schedule/index.ts";
import type { DrawnStep } from "../chart/drawn-step.ts";
import { isSchedule } from "../view/controls.ts";

export interface Part {
  readonly name: string;
  /** What it is for, in one sentence. */
  readonly purpose: string;
}

const EIGHT_PARTS: readonly Part[] = [
  {
    name: "1  nF0",
    purpose: "The pipeline fills from the nearer end, until micro-batches of the other direction arrive.",
  },
  { name: "2  nF0F1", purpose: "It fills from both ends: forwards of the two directions take turns." },
  {
    name: "3  nI1W1F1",
    purpose:
      "The first backwards begin; each I sends its gradient at once, and its W fills the wait for the next activation.",
  },
  {
    name: "4  nF0B1F1B0",
    purpose:
      "The steady state: only pairs, in which one computes while the other communicates, so no transfer is waited for.",
  },
  {
    name: "5  nB1F1B0",
    purpose: "The nearer direction has no forwards left, so its backwards alternate with pairs.",
  },
  {
    name: "6  nB1B0",
    purpose:
      "No forwards are left; from the middle on only I runs, because ranks further out wait for its gradients.",
  },
  {
    name: "7  nWI0",
    purpose: "The weight backwards that were put off fill the waits for the last gradients.",
  },
  { name: "8  nW", purpose: "What is left of the weight backwards, which no rank waits for." },
];

const THREE_PARTS: readonly Part[] = [
  {
    name: "warm-up",
    purpose: "Forwards alone: the pipeline fills, and later ranks wait for their first activation.",
  },
  {
    name: "steady state",
    purpose: "Forwards and backwards take turns, so activations are freed as fast as they are made.",
  },
  {
    name: "cool-down",
    purpose: "Backwards alone: the pipeline empties, and earlier ranks wait for their last gradients.",
  },
];

/** The parts of a step with the part of each event. */
export class StepParts {
  readonly parts: readonly Part[];
  /** For each rank, the index of the first event of each part, and the number of events at the end. */
  readonly #bounds: readonly (readonly number[])[];

  constructor(drawn: DrawnStep) {
    const { schedule, ranks } = drawn.timeline;
    const sizes = { numRanks: drawn.numRanks, numMicroBatches: drawn.numMicroBatches };
    const definition = isSchedule(schedule) ? findSchedule(schedule) : undefined;
    const lengths = ranks.map((_, rank) => definition?.stepLengths?.(sizes, rank));
    const isWhole = lengths.every(
      (own, rank) => own?.reduce((sum, length) => sum + length, 0) === ranks[rank]!.length,
    );
    this.parts = isWhole ? EIGHT_PARTS : THREE_PARTS;
    this.#bounds = isWhole
      ? lengths.map((own) => boundsOf(own!))
      : ranks.map(({ actions: { opcodes } }) => threeBounds(opcodes));
  }

  /** The part that a rank is in when this event runs. */
  partOf(rank: number, index: number): number {
    const bounds = this.#bounds[rank]!;
    let part = 0;
    while (part + 1 < this.parts.length && index >= bounds[part + 1]!) part++;
    return part;
  }
}

function boundsOf(lengths: readonly number[]): number[] {
  const bounds = [0];
  for (const length of lengths) bounds.push(bounds.at(-1)! + length);
  return bounds;
}

function threeBounds(opcodes: Uint8Array): number[] {
  const firstBackward = opcodes.findIndex((opcode) => opcode !== Opcode.F);
  const lastForward = opcodes.findLastIndex((opcode) => opcode === Opcode.F || opcode === Opcode.OVERLAP_F_B);
  const first = firstBackward < 0 ? opcodes.length : firstBackward;
  // The last forward of a rank belongs to its steady state only when a backward came before it.
  return [0, first, Math.max(first, lastForward + 1), opcodes.length];
}
