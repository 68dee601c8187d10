/*
 * What a chart says about its rows. A rank may hold several stages, and the same micro-batch passes it once for each:
 * under DualPipeV a rank would read 0 0 1 1 2 2. What tells two computations of a rank apart is their stage and, in
 * schedules that run both ways, the direction: 0 from the first rank to the last, 1 from the last to the first.
 *
 * A timeline has no placement, but its forwards show which rank holds a stage for a micro-batch. Along the stages a
 * micro-batch starts in the direction of its first step to another rank, and turns where it leaves a rank backwards
 * after two stages or more, the point of a V. A jump back after a single stage, from the last rank to the first as in
 * interleaved schedules, is no turn.
 */
import type { ActionList } from "../program/action-list.ts";
import { hasForward, isTransfer, Opcode } from "../program/opcode.ts";
import type { Timeline } from "../simulate/timeline.ts";

/** 0 from the first rank to the last, 1 from the last to the first. */
export type ChartDirection = 0 | 1;

const ARROWS = ["↓", "↑"] as const;

/** The stages and directions of a chart's rows. */
export class ChartRows {
  /** Whether some rank holds several stages, so that a micro-batch alone does not name a computation. */
  readonly hasSeveralStages: boolean;
  /** Whether some rank holds several stages of one direction. */
  readonly hasSeveralOfDirection: boolean;
  readonly hasBothDirections: boolean;
  /** Whether each rank holds the one stage of its own number, which goes without saying. */
  readonly isPlain: boolean;
  readonly #numMicroBatches: number;
  /** The direction of each micro-batch at each stage. */
  readonly #directions: Uint8Array;
  /** For each rank and direction, its stages in ascending order. */
  readonly #stages: readonly (readonly [number[], number[]])[];

  constructor(timeline: Timeline) {
    this.#numMicroBatches = timeline.ranks[0]?.actions.numMicroBatches ?? 0;
    this.#directions = directionsOf(timeline, this.#numMicroBatches);
    this.#stages = timeline.ranks.map((track) => {
      const sets = [new Set<number>(), new Set<number>()] as const;
      visitCells(track.actions, (cell) => {
        const set = sets[this.#directions[cell] === 1 ? 1 : 0];
        const stage = Math.floor(cell / this.#numMicroBatches);
        if (!set.has(stage)) set.add(stage);
      });
      return [ascending(sets[0]), ascending(sets[1])] as const;
    });
    const counts = this.#stages.map(([first, second]) => [first.length, second.length] as const);
    this.hasSeveralStages = counts.some(([first, second]) => first + second > 1);
    this.hasSeveralOfDirection = counts.some(([first, second]) => first > 1 || second > 1);
    this.isPlain = this.#stages.every(
      ([first, second], rank) => second.length === 0 && first.length === 1 && first[0] === rank,
    );
    this.hasBothDirections = counts.some(([first]) => first > 0) && counts.some(([, second]) => second > 0);
  }

  directionOf(stage: number, microBatch: number): ChartDirection {
    return this.#directions[stage * this.#numMicroBatches + microBatch] === 1 ? 1 : 0;
  }

  /** The stages of a rank in one direction, in ascending order. */
  stagesOf(rank: number, direction: ChartDirection): readonly number[] {
    return this.#stages[rank]![direction];
  }

  /** The title of a rank's row, such as "rank 3 ↓3 ↑4". */
  titleOf(rank: number): string {
    if (this.isPlain) return `rank ${rank}`;
    const parts = this.#stages[rank]!.flatMap((stages, direction) =>
      stages.length === 0 ? [] : [`${ARROWS[direction]}${stages.join(",")}`],
    );
    return [`rank ${rank}`, ...parts].join(" ");
  }
}

/** Visits the cells of all computations, both of a pair. */
function visitCells(
  { opcodes, cells, backwardCells, length }: ActionList,
  visit: (cell: number) => void,
): void {
  for (let index = 0; index < length; index++) {
    const opcode = opcodes[index]!;
    if (isTransfer(opcode)) continue;
    visit(cells[index]!);
    if (opcode === Opcode.OVERLAP_F_B) visit(backwardCells[index]!);
  }
}

const ascending = (values: Iterable<number>) => [...values].sort((a, b) => a - b);

function directionsOf(timeline: Timeline, numMicroBatches: number): Uint8Array {
  let numCells = 0;
  for (const { actions } of timeline.ranks)
    visitCells(actions, (cell) => {
      if (cell >= numCells) numCells = cell + 1;
    });
  const rankOf = new Uint32Array(numCells);
  for (const [rank, { actions }] of timeline.ranks.entries())
    for (let index = 0; index < actions.length; index++)
      if (hasForward(actions.opcodes[index]!)) rankOf[actions.cells[index]!] = rank;
  const numStages = Math.ceil(numCells / Math.max(1, numMicroBatches));
  const directions = new Uint8Array(numStages * numMicroBatches);
  for (let microBatch = 0; microBatch < numMicroBatches; microBatch++) {
    const ranks = Array.from(
      { length: numStages },
      (_, stage) => rankOf[stage * numMicroBatches + microBatch] ?? 0,
    );
    for (const [stage, direction] of directionsAlong(ranks).entries())
      directions[stage * numMicroBatches + microBatch] = direction;
  }
  return directions;
}

/** The direction at each stage of a micro-batch that passes these ranks. */
function directionsAlong(ranks: readonly number[]): ChartDirection[] {
  const directions: ChartDirection[] = [];
  let direction: ChartDirection | undefined;
  // The first of the stages that are on one rank.
  let first = 0;
  for (let stage = 1; stage < ranks.length; stage++) {
    if (ranks[stage] === ranks[stage - 1]) continue;
    const step: ChartDirection = ranks[stage]! > ranks[stage - 1]! ? 0 : 1;
    const length = stage - first;
    direction ??= step;
    const next: ChartDirection = length > 1 ? step : direction;
    const middle = first + Math.ceil(length / 2);
    for (let each = first; each < stage; each++) directions.push(each < middle ? direction : next);
    direction = next;
    first = stage;
  }
  while (directions.length < ranks.length) directions.push(direction ?? 0);
  return directions;
}
