/** Outlines around blocks. They are dashed, unlike the frame of a pair, so that no colour is needed to tell them. */
import type { Camera } from "./camera.ts";
import type { BlockMarks } from "./differences.ts";
import { type DrawnBlock, type DrawnStep, firstEndingAfter } from "./drawn-step.ts";
import type { Layout } from "./painter.ts";
import { cssColour, SURFACES, type Theme } from "./palette.ts";

/** Narrower blocks have one outline together with their neighbours. */
const WIDTH_MIN = 3;

interface Span {
  readonly left: number;
  right: number;
}

/** Draws the outlines of the visible blocks that are marked. */
export function paintOutlines(
  context: CanvasRenderingContext2D,
  camera: Camera,
  layout: Layout,
  theme: Theme,
  step: DrawnStep,
  marks: BlockMarks,
): void {
  const { left, width, height, bottom } = layout;
  const { top, rowHeight } = camera;
  const surface = SURFACES[theme];
  context.save();
  context.beginPath();
  context.rect(left, 0, width - left, height - bottom);
  context.clip();
  context.beginPath();
  const last = Math.min(step.numRanks - 1, Math.floor((top + height - bottom) / rowHeight));
  for (let rank = Math.floor(top / rowHeight); rank <= last; rank++)
    for (const span of spansOf(step, rank, marks, camera, layout))
      context.rect(
        span.left + 1,
        rank * rowHeight - top + 1,
        span.right - span.left - 2,
        0.84 * rowHeight - 2,
      );
  // First a line in the colour of the background, so that the dashes are seen on every block.
  context.strokeStyle = cssColour(surface.background);
  context.lineWidth = 4;
  context.stroke();
  context.strokeStyle = surface.accent;
  context.lineWidth = 2;
  context.setLineDash([4, 2]);
  context.stroke();
  context.restore();
}

/** The outlines of a lane, in pixels. */
function spansOf(
  step: DrawnStep,
  rank: number,
  marks: BlockMarks,
  { start, scale }: Camera,
  { left, width }: Layout,
): Span[] {
  const track = step.timeline.ranks[rank]!;
  const limit = start + (width - left) / scale;
  const spans: Span[] = [];
  const xOf = (time: number) => left + (time - start) * scale;
  const add = (block: DrawnBlock) => {
    const span = { left: xOf(block.start), right: xOf(block.end) };
    const before = spans.at(-1);
    const isNarrow = span.right - span.left < WIDTH_MIN;
    if (before !== undefined && isNarrow && span.left - before.right < WIDTH_MIN) before.right = span.right;
    else spans.push({ left: span.left, right: Math.max(span.right, span.left + WIDTH_MIN) });
  };
  for (let index = firstEndingAfter(track.endsMs, start); index < track.length; index++) {
    if (track.startsMs[index]! > limit) break;
    for (const block of step.blocksAt(rank, index)) if (marks.has(block)) add(block);
  }
  return spans;
}
