/*
 * How the blocks of a step differ from those of another step: in order, in duration, in start.
 *
 * A block is the same one in both steps when it computes the same for the same stage and micro-batch. Start and
 * duration differ when they do by more than a share of the block, so that a measured step is not marked as a whole.
 * Order is harder: one block that moves shifts the places of all blocks between, and comparing places or neighbours
 * would mark those too. So the longest sequence of blocks that stand in the same order in both is kept, and only the
 * others have moved. A block that is on another rank, or is missing in the other step, counts as moved.
 */
import { nameOf, timeText } from "./block-text.ts";
import type { DrawnBlock, DrawnStep } from "./drawn-step.ts";

export const DIFFERENCES = ["order", "duration", "start"] as const;
export type DifferenceKind = (typeof DIFFERENCES)[number];

/** Blocks to be outlined. */
export interface BlockMarks {
  has(block: DrawnBlock): boolean;
}

/** One block that differs. */
export interface Difference {
  readonly block: DrawnBlock;
  /** The block of the other step; undefined where that has none. */
  readonly other: DrawnBlock | undefined;
  readonly kinds: ReadonlySet<DifferenceKind>;
}

/** Times that differ by less, as a share of the block, are the same. */
const SAME_SHARE = 0.05;
/** Steps with more blocks than this are not compared block by block. */
export const COMPARED_MAX = 100_000;

const placeOf = ({ rank, index, kind }: DrawnBlock) => `${rank} ${index} ${kind}`;
const allBlocks = (step: DrawnStep) =>
  Array.from({ length: step.numRanks }, (_, rank) => [...step.blocksOf(rank)]);

/** The differences of a step from another one, which is the one that it is compared with. */
export class Differences {
  /** In the order of ranks and time. */
  readonly all: readonly Difference[];
  readonly numBlocks: number;
  readonly #byPlace: ReadonlyMap<string, Difference>;

  /** Made once, because a chart is painted again for new marks. */
  readonly #marks: ReadonlyMap<DifferenceKind, BlockMarks>;
  readonly #marksOfOther: ReadonlyMap<DifferenceKind, BlockMarks>;

  private constructor(step: DrawnStep, other: DrawnStep) {
    const others = new Map<string, { block: DrawnBlock; position: number }>();
    for (const blocks of allBlocks(other))
      for (const [position, block] of blocks.entries()) others.set(nameOf(block), { block, position });
    const all: Difference[] = [];
    const otherKinds = new Map<string, ReadonlySet<DifferenceKind>>();
    const missing = new Map([...others].map(([key, { block }]) => [key, block]));
    this.numBlocks = 0;
    for (const blocks of allBlocks(step)) {
      const kept = keptInOrder(blocks, others);
      for (const block of blocks) {
        this.numBlocks++;
        const counterpart = others.get(nameOf(block))?.block;
        missing.delete(nameOf(block));
        const kinds = kindsOf(block, counterpart, kept.has(block));
        if (kinds.size === 0) continue;
        all.push({ block, other: counterpart, kinds });
        if (counterpart) otherKinds.set(placeOf(counterpart), kinds);
      }
    }
    for (const block of missing.values()) otherKinds.set(placeOf(block), new Set(["order"]));
    this.all = all;
    this.#byPlace = new Map(all.map((difference) => [placeOf(difference.block), difference]));

    const marksFor = (kindsAt: (block: DrawnBlock) => ReadonlySet<DifferenceKind> | undefined) =>
      new Map(
        DIFFERENCES.map((kind) => [kind, { has: (block: DrawnBlock) => kindsAt(block)?.has(kind) ?? false }]),
      );
    this.#marks = marksFor((block) => this.of(block)?.kinds);
    this.#marksOfOther = marksFor((block) => otherKinds.get(placeOf(block)));
  }

  /** Compares two steps; undefined where one has more than `COMPARED_MAX` blocks. */
  static between(step: DrawnStep, other: DrawnStep): Differences | undefined {
    const isLarge = ({ timeline }: DrawnStep) =>
      timeline.ranks.reduce((sum, track) => sum + track.length, 0) > COMPARED_MAX;
    return isLarge(step) || isLarge(other) ? undefined : new Differences(step, other);
  }

  count(kind: DifferenceKind): number {
    return this.all.filter(({ kinds }) => kinds.has(kind)).length;
  }

  of(block: DrawnBlock): Difference | undefined {
    return this.#byPlace.get(placeOf(block));
  }

  /** The blocks that differ in a way. */
  marks(kind: DifferenceKind): BlockMarks {
    return this.#marks.get(kind)!;
  }

  /** The blocks of the other step that differ in a way, or that this step has not. */
  marksOfOther(kind: DifferenceKind): BlockMarks {
    return this.#marksOfOther.get(kind)!;
  }
}

function kindsOf(block: DrawnBlock, other: DrawnBlock | undefined, isKept: boolean): Set<DifferenceKind> {
  const kinds = new Set<DifferenceKind>();
  if (!isKept) kinds.add("order");
  if (other === undefined) return kinds;
  const duration = other.end - other.start;
  const slack = SAME_SHARE * Math.max(duration, block.end - block.start);
  if (Math.abs(block.end - block.start - duration) > slack) kinds.add("duration");
  if (Math.abs(block.start - other.start) > slack) kinds.add("start");
  return kinds;
}

/** The blocks of a rank in the longest sequence that has the same order on that rank of the other step. */
function keptInOrder(
  blocks: readonly DrawnBlock[],
  others: ReadonlyMap<string, { readonly block: DrawnBlock; readonly position: number }>,
): Set<DrawnBlock> {
  const found = blocks.flatMap((block) => {
    const other = others.get(nameOf(block));
    return other === undefined || other.block.rank !== block.rank
      ? []
      : [{ block, position: other.position }];
  });
  // The smallest last position of an ascending sequence of each length, and for each block the one before it.
  const tails: number[] = [];
  const before = new Int32Array(found.length).fill(-1);
  for (const [i, { position }] of found.entries()) {
    let low = 0;
    let high = tails.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (found[tails[middle]!]!.position < position) low = middle + 1;
      else high = middle;
    }
    if (low > 0) before[i] = tails[low - 1]!;
    tails[low] = i;
  }
  const kept = new Set<DrawnBlock>();
  for (let i = tails.at(-1) ?? -1; i >= 0; i = before[i]!) kept.add(found[i]!.block);
  return kept;
}

/** A difference in words, against the step of this name. */
export function describeDifference({ block, other, kinds }: Difference, name: string): string {
  if (other === undefined) return `${name} has no such computation`;
  const parts: string[] = [];
  const amount = (value: number, more: string, less: string) =>
    `${timeText(Math.abs(value))} ${value > 0 ? more : less}`;
  if (block.rank !== other.rank) parts.push(`on rank ${other.rank} there`);
  else if (kinds.has("order")) parts.push("at another place in the order");
  if (kinds.has("start")) parts.push(amount(block.start - other.start, "later", "earlier"));
  if (kinds.has("duration"))
    parts.push(amount(block.end - block.start - (other.end - other.start), "longer", "shorter"));
  return `compared with ${name}: ${parts.join(", ")}`;
}
