/** The block that a key leads to, from the one that is selected. */
import type { BlockMarks } from "./differences.ts";
import type { DrawnBlock, DrawnStep } from "./drawn-step.ts";

/** The block before or after, on the same rank; the same one at an end. */
export function blockAlong(drawn: DrawnStep, selected: DrawnBlock, offset: 1 | -1): DrawnBlock | undefined {
  const { rank, index, kind } = selected;
  const own = drawn.blocksAt(rank, index);
  const sibling = own[own.findIndex((block) => block.kind === kind) + offset];
  if (sibling) return sibling;
  const next = index + offset;
  if (next < 0 || next >= drawn.timeline.ranks[rank]!.length) return selected;
  return drawn.blocksAt(rank, next).at(offset === 1 ? 0 : -1);
}

/** The block of the rank above or below that is nearest in time; the same one at an edge. */
export function blockAcross(drawn: DrawnStep, selected: DrawnBlock, offset: 1 | -1): DrawnBlock | undefined {
  const rank = selected.rank + offset;
  if (rank < 0 || rank >= drawn.numRanks) return selected;
  const middle = (selected.start + selected.end) / 2;
  let nearest: DrawnBlock | undefined;
  for (const block of drawn.blocksOf(rank)) {
    const distance = Math.abs((block.start + block.end) / 2 - middle);
    if (nearest && distance > Math.abs((nearest.start + nearest.end) / 2 - middle)) break;
    nearest = block;
  }
  return nearest ?? selected;
}

/** The marked block after or before the selected one, in the order of ranks and time, and round at the ends. */
export function markedBlock(
  drawn: DrawnStep,
  marks: BlockMarks,
  selected: DrawnBlock | undefined,
  offset: 1 | -1,
): DrawnBlock | undefined {
  const marked = Array.from({ length: drawn.numRanks }, (_, rank) => [...drawn.blocksOf(rank)])
    .flat()
    .filter((block) => marks.has(block));
  if (selected === undefined) return marked.at(offset === 1 ? 0 : -1);
  const isAfter = (block: DrawnBlock) =>
    block.rank === selected.rank ? block.start > selected.start : block.rank > selected.rank;
  const isSelected = ({ rank, index, kind }: DrawnBlock) =>
    rank === selected.rank && index === selected.index && kind === selected.kind;
  if (offset === 1) return marked.find(isAfter) ?? marked[0];
  return marked.findLast((block) => !isAfter(block) && !isSelected(block)) ?? marked.at(-1);
}
