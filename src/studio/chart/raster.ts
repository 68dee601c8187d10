/*
 * Paints the lanes of a chart into pixels, without the canvas's drawing calls.
 *
 * A hundred thousand rectangles, each with a pattern, a border and a frame, take a browser without a graphics card
 * longer than a frame. But a lane is the same few rows of pixels over and over: borders at its top and bottom, and in
 * between a pattern that repeats every six rows. So each visible block is painted once into these few rows, which are
 * then copied down the lane. Blocks narrower than a pixel are sampled: one for each pixel, and the search jumps over
 * the rest. The cost is therefore bounded by the pixels of the chart, however many blocks there are.
 */
import { type ComputationKind, Opcode } from "../../schedule/index.ts";
import type { Camera } from "./camera.ts";
import { type DrawnStep, firstEndingAfter } from "./drawn-step.ts";
import { blockColour, markOf, PATTERNS, type Pattern, pixelOf, SURFACES, type Theme } from "./palette.ts";

/** Pixels as `ImageData` takes them. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly data: Uint32Array;
}

const PATTERN_ROWS = 6;
/** Blocks under this width have no border and no pattern. */
const BORDERED_WIDTH = 4;
const PATTERNED_WIDTH = 6;
const GAP_SHARE = 0.16;

interface Paint {
  readonly fill: number;
  readonly mark: number;
  readonly pattern: Pattern;
}

/** Paints lanes; it keeps its rows of pixels from frame to frame. */
export class LaneRaster {
  readonly #step: DrawnStep;
  readonly #paints = new Map<number, Paint>();
  readonly #surface: { readonly background: number; readonly lane: number; edge: number; frame: number };
  #width = 0;
  /** The rows of the pattern. */
  #rows: Uint32Array[] = [];
  /** The outermost row of a lane, and the next one, in which only frames of pairs are left. */
  #edge = new Uint32Array(0);
  #inner = new Uint32Array(0);

  constructor(step: DrawnStep, theme: Theme) {
    this.#step = step;
    const { background, lane, edge, frame } = SURFACES[theme];
    this.#surface = {
      background: pixelOf(background),
      lane: pixelOf(lane),
      edge: pixelOf(edge),
      frame: pixelOf(frame),
    };
  }

  /** Paints all visible lanes. */
  paint(pixels: Pixels, camera: Camera): void {
    const { width, height, data } = pixels;
    this.#resize(width);
    data.fill(this.#surface.background);
    const { rowHeight, top } = camera;
    const gap = rowHeight < 5 ? 0 : Math.max(1, Math.round(rowHeight * GAP_SHARE));
    const first = Math.max(0, Math.floor(top / rowHeight));
    const last = Math.min(this.#step.numRanks - 1, Math.floor((top + height) / rowHeight));
    let painted = Number.NEGATIVE_INFINITY;
    for (let rank = first; rank <= last; rank++) {
      const begin = Math.round(rank * rowHeight - top);
      // Where rows are thinner than pixels, the first row of each pixel is shown.
      if (begin === painted) continue;
      painted = begin;
      const end = Math.max(begin + 1, Math.round((rank + 1) * rowHeight - top) - gap);
      this.#paintLane(rank, camera, gap > 0);
      this.#copyLane(pixels, begin, end, gap > 0);
    }
  }

  #resize(width: number): void {
    if (width === this.#width) return;
    this.#width = width;
    this.#rows = Array.from({ length: PATTERN_ROWS }, () => new Uint32Array(width));
    this.#edge = new Uint32Array(width);
    this.#inner = new Uint32Array(width);
  }

  #copyLane({ width, height, data }: Pixels, begin: number, end: number, hasEdges: boolean): void {
    for (let y = Math.max(0, begin); y < Math.min(height, end); y++) {
      const fromEdge = Math.min(y - begin, end - 1 - y);
      const row =
        hasEdges && fromEdge === 0
          ? this.#edge
          : hasEdges && fromEdge === 1
            ? this.#inner
            : this.#rows[(y - begin) % PATTERN_ROWS]!;
      data.set(row, y * width);
    }
  }

  /** Paints the rows of one lane. */
  #paintLane(rank: number, { start, scale }: Camera, hasEdges: boolean): void {
    const { actions, startsMs, endsMs } = this.#step.timeline.ranks[rank]!;
    const width = this.#width;
    for (const row of this.#rows) row.fill(this.#surface.lane);
    this.#edge.fill(this.#surface.lane);
    this.#inner.fill(this.#surface.lane);
    const limit = start + width / scale;
    let index = firstEndingAfter(endsMs, start);
    while (index < actions.length && startsMs[index]! < limit) {
      const x0 = Math.round((startsMs[index]! - start) * scale);
      const x1 = Math.round((endsMs[index]! - start) * scale);
      if (x1 > x0) {
        this.#paintEvent(rank, index, x0, x1, hasEdges);
        index++;
      } else {
        if (x0 >= 0 && x0 < width) this.#fill(x0, x0 + 1, this.#paintOf(rank, index, false).fill);
        index = firstEndingAfter(endsMs, start + (x0 + 0.5) / scale, index + 1);
      }
    }
  }

  #paintEvent(rank: number, index: number, x0: number, x1: number, hasEdges: boolean): void {
    const isPair = this.#step.timeline.ranks[rank]!.actions.opcodes[index] === Opcode.OVERLAP_F_B;
    if (!isPair) {
      this.#paintBlock(x0, x1, this.#paintOf(rank, index, false), hasEdges);
      return;
    }
    const middle = Math.round(x0 + (x1 - x0) / 3);
    this.#paintBlock(x0, middle, this.#paintOf(rank, index, false), hasEdges);
    this.#paintBlock(middle, x1, this.#paintOf(rank, index, true), hasEdges);
    if (!hasEdges || x1 - x0 < 2 * BORDERED_WIDTH) return;
    const { frame } = this.#surface;
    this.#edge.fill(frame, Math.max(0, x0), Math.max(0, x1));
    this.#inner.fill(frame, Math.max(0, x0), Math.max(0, x1));
    for (const x of [x0, x0 + 1, x1 - 2, x1 - 1]) this.#column(x, frame);
  }

  #paintBlock(x0: number, x1: number, { fill, mark, pattern }: Paint, hasEdges: boolean): void {
    const [from, to] = [Math.max(0, x0), Math.min(this.#width, x1)];
    if (to <= from) return;
    this.#fill(from, to, fill);
    if (x1 - x0 >= PATTERNED_WIDTH && pattern !== "none") this.#mark(from, to, mark, pattern);
    if (!hasEdges || x1 - x0 < BORDERED_WIDTH) return;
    this.#edge.fill(this.#surface.edge, from, to);
    this.#column(x0, this.#surface.edge);
  }

  #mark(from: number, to: number, mark: number, pattern: Pattern): void {
    for (let y = 0; y < PATTERN_ROWS; y++) {
      const row = this.#rows[y]!;
      if (pattern === "level") {
        if (y % 3 === 1) row.fill(mark, from, to);
      } else if (pattern === "rising") {
        for (
          let x = from + ((((PATTERN_ROWS - y - from) % PATTERN_ROWS) + PATTERN_ROWS) % PATTERN_ROWS);
          x < to;
          x += PATTERN_ROWS
        )
          row[x] = mark;
      } else if (y % 3 === 1) {
        for (let x = from + ((3 - (from % 3)) % 3); x < to; x += 3) row[x] = mark;
      }
    }
  }

  #fill(from: number, to: number, pixel: number): void {
    for (const row of this.#rows) row.fill(pixel, from, to);
    this.#edge.fill(pixel, from, to);
    this.#inner.fill(pixel, from, to);
  }

  #column(x: number, pixel: number): void {
    if (x < 0 || x >= this.#width) return;
    for (const row of this.#rows) row[x] = pixel;
    this.#edge[x] = pixel;
    this.#inner[x] = pixel;
  }

  #paintOf(rank: number, index: number, isBackwardOfPair: boolean): Paint {
    const { actions } = this.#step.timeline.ranks[rank]!;
    const opcode = actions.opcodes[index]!;
    const kind = isBackwardOfPair ? "B" : KIND_OF_BLOCK[opcode]!;
    const cell = isBackwardOfPair ? actions.backwardCells[index]! : actions.cells[index]!;
    const stage = Math.floor(cell / this.#step.numMicroBatches);
    const direction = this.#step.rows.directionOf(stage, cell - stage * this.#step.numMicroBatches);
    const variant = this.#step.variantOf(rank, stage, direction);
    const key = (variant * 2 + direction) * 4 + KINDS.indexOf(kind);
    let paint = this.#paints.get(key);
    if (paint === undefined) {
      const colour = blockColour(kind, direction, variant);
      paint = { fill: pixelOf(colour), mark: markOf(colour), pattern: PATTERNS[kind] };
      this.#paints.set(key, paint);
    }
    return paint;
  }
}

const KINDS: readonly ComputationKind[] = ["F", "I", "W", "B"];
/** The kind of the first block of an event, by its opcode. */
const KIND_OF_BLOCK: readonly ComputationKind[] = [...KINDS, "F"];
