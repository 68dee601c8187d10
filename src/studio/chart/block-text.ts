import { KIND_IN_WORDS } from "../../schedule/draw/bars.ts";
import type { DrawnBlock } from "./drawn-step.ts";
import type { Relations } from "./relations.ts";

/** A time with at most four digits that matter. */
export const timeText = (time: number): string => String(Number(time.toPrecision(4)));

/** A block in the notation of programs, such as 2F7. */
export const nameOf = ({ stage, kind, microBatch }: DrawnBlock): string => `${stage}${kind}${microBatch}`;

/** What a block is, in one sentence. */
export function describeBlock({ rank, kind, stage, microBatch, start, end, isPaired }: DrawnBlock): string {
  const pair = isPaired ? ", overlapped as a pair" : "";
  return (
    `micro-batch ${microBatch}: ${KIND_IN_WORDS[kind]} of stage ${stage} on rank ${rank}, ` +
    `from ${timeText(start)} to ${timeText(end)}${pair}`
  );
}

/** What a block waited for and what waits for it, as lines. */
export function describeRelations(block: DrawnBlock, { needs, neededBy }: Relations): string[] {
  const last = needs.toSorted((a, b) => b.end - a.end)[0];
  const named = (other: DrawnBlock) =>
    other.rank === block.rank
      ? `${nameOf(other)}, on its own rank`
      : `${nameOf(other)} on rank ${other.rank}`;
  const waitedFor =
    last === undefined
      ? "waited for nothing"
      : `waited for ${named(last)}, which ended at ${timeText(last.end)}`;
  const waiting =
    neededBy.length === 0 ? "nothing waits for it" : `waiting for it: ${neededBy.map(named).join("; ")}`;
  return [waitedFor, waiting];
}
