/** Draws a step on a canvas: lanes as pixels (raster.ts), and over them numbers, titles of rows and the axis. */
import { ticksBetween } from "../../schedule/draw/ticks.ts";
import { Opcode } from "../../schedule/index.ts";
import type { Camera } from "./camera.ts";
import { type DrawnBlock, type DrawnStep, firstEndingAfter } from "./drawn-step.ts";
import { cssColour, SURFACES, type Theme } from "./palette.ts";
import { LaneRaster } from "./raster.ts";

/** Where the lanes are on the canvas, in CSS pixels. */
export interface Layout {
  readonly width: number;
  readonly height: number;
  /** The width of the titles at the left. */
  readonly left: number;
  /** The height of the axis at the bottom. */
  readonly bottom: number;
}

const TITLE_ROW_HEIGHT = 11;
/** The width of a digit as a share of the size of the font, with some room to spare. */
const DIGIT_SHARE = 0.62;
const LABEL_SIZE_MIN = 8;
const LABEL_SIZE_MAX = 12;
const TICK_WIDTH = 84;
const FONT = "11px system-ui, sans-serif";

/** The layout of a canvas of this size; charts of the same size have the same, so that their axes agree. */
export function layoutOf(width: number, height: number): Layout {
  return { width, height, left: width < 600 ? 74 : 116, bottom: 24 };
}

/** Draws one step in one theme. */
export class Painter {
  readonly #step: DrawnStep;
  readonly #theme: Theme;
  readonly #raster: LaneRaster;
  #image: ImageData | undefined;

  constructor(step: DrawnStep, theme: Theme) {
    this.#step = step;
    this.#theme = theme;
    this.#raster = new LaneRaster(step, theme);
  }

  /** The size of the font with which all numbers fit; undefined, and none is drawn, when it would be too small. */
  labelSize({ scale, rowHeight }: Camera): number | undefined {
    const size = Math.min((this.#step.timePerCharacter * scale) / DIGIT_SHARE, 0.75 * rowHeight);
    return size < LABEL_SIZE_MIN ? undefined : Math.min(LABEL_SIZE_MAX, size);
  }

  /** @param ratio Pixels of the canvas per CSS pixel. */
  paint(context: CanvasRenderingContext2D, camera: Camera, layout: Layout, ratio: number): void {
    const { width, height, left, bottom } = layout;
    const surface = SURFACES[this.#theme];
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = cssColour(surface.background);
    context.fillRect(0, 0, width * ratio, height * ratio);
    this.#paintLanes(context, camera, layout, ratio);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.font = FONT;
    context.save();
    context.beginPath();
    context.rect(left, 0, width - left, height - bottom);
    context.clip();
    const labelSize = this.labelSize(camera);
    if (labelSize !== undefined) {
      context.font = `${labelSize.toFixed(1)}px system-ui, sans-serif`;
      this.#paintLabels(context, camera, layout);
    }
    context.restore();
    this.#paintTitles(context, camera, layout);
    this.#paintAxis(context, camera, layout);
  }

  #paintLanes(context: CanvasRenderingContext2D, camera: Camera, layout: Layout, ratio: number): void {
    const width = Math.max(1, Math.round((layout.width - layout.left) * ratio));
    const height = Math.max(1, Math.round((layout.height - layout.bottom) * ratio));
    if (this.#image?.width !== width || this.#image.height !== height)
      this.#image = new ImageData(width, height);
    const data = new Uint32Array(this.#image.data.buffer);
    this.#raster.paint({ width, height, data }, scaledCamera(camera, ratio));
    context.putImageData(this.#image, Math.round(layout.left * ratio), 0);
  }

  #paintLabels(
    context: CanvasRenderingContext2D,
    camera: Camera,
    { left, width, height, bottom }: Layout,
  ): void {
    const { start, scale, top, rowHeight } = camera;
    context.fillStyle = SURFACES[this.#theme].label;
    context.textAlign = "center";
    context.textBaseline = "middle";
    const limit = start + (width - left) / scale;
    const last = Math.min(this.#step.numRanks - 1, Math.floor((top + height - bottom) / rowHeight));
    for (let rank = Math.floor(top / rowHeight); rank <= last; rank++) {
      const { actions, startsMs, endsMs } = this.#step.timeline.ranks[rank]!;
      const y = (rank + 0.45) * rowHeight - top;
      for (let index = firstEndingAfter(endsMs, start); index < actions.length; index++) {
        const from = startsMs[index]!;
        if (from >= limit) break;
        const duration = endsMs[index]! - from;
        if (duration <= 0) continue;
        const x = (time: number) => left + (time - start) * scale;
        const isPair = actions.opcodes[index] === Opcode.OVERLAP_F_B;
        context.fillText(this.#label(actions.cells[index]!), x(from + duration * (isPair ? 1 / 6 : 0.5)), y);
        if (isPair)
          context.fillText(this.#label(actions.backwardCells[index]!), x(from + (duration * 2) / 3), y);
      }
    }
  }

  #label(cell: number): string {
    const stage = Math.floor(cell / this.#step.numMicroBatches);
    return this.#step.labelOf(stage, cell - stage * this.#step.numMicroBatches);
  }

  #paintTitles(context: CanvasRenderingContext2D, camera: Camera, { left, height, bottom }: Layout): void {
    const { top, rowHeight } = camera;
    const every = Math.ceil(TITLE_ROW_HEIGHT / rowHeight);
    context.fillStyle = SURFACES[this.#theme].text;
    context.textAlign = "left";
    context.textBaseline = "middle";
    const last = Math.min(this.#step.numRanks - 1, Math.floor((top + height - bottom) / rowHeight));
    for (let rank = Math.ceil(Math.floor(top / rowHeight) / every) * every; rank <= last; rank += every) {
      const y = (rank + 0.45) * rowHeight - top;
      if (y > height - bottom - 4) continue;
      context.fillText(this.#step.rows.titleOf(rank), 6, Math.max(6, y), left - 8);
    }
  }

  #paintAxis(context: CanvasRenderingContext2D, camera: Camera, layout: Layout): void {
    const { left, width, height, bottom } = layout;
    const { start, scale } = camera;
    const surface = SURFACES[this.#theme];
    const y = height - bottom;
    context.fillStyle = cssColour(surface.background);
    context.fillRect(0, y, width, bottom);
    context.strokeStyle = surface.muted;
    context.fillStyle = surface.text;
    context.textAlign = "center";
    context.textBaseline = "top";
    context.beginPath();
    context.moveTo(left, y + 0.5);
    context.lineTo(width, y + 0.5);
    const maxTicks = Math.floor((width - left) / TICK_WIDTH);
    for (const { time, label } of ticksBetween(start, start + (width - left) / scale, maxTicks)) {
      const x = Math.round(left + (time - start) * scale) + 0.5;
      context.moveTo(x, y);
      context.lineTo(x, y + 5);
      context.fillText(label, Math.min(x, width - 3.4 * label.length), y + 7);
    }
    context.stroke();
  }
}

/** The camera for a canvas with `ratio` pixels per CSS pixel. */
function scaledCamera({ start, scale, top, rowHeight }: Camera, ratio: number): Camera {
  return { start, scale: scale * ratio, top: top * ratio, rowHeight: rowHeight * ratio };
}

/** Draws what the pointer is on: the micro-batch's path lit up, and an outline around the block. */
export function paintHighlight(
  context: CanvasRenderingContext2D,
  camera: Camera,
  layout: Layout,
  theme: Theme,
  path: readonly DrawnBlock[],
  selected: DrawnBlock,
): void {
  const { left, width, height, bottom } = layout;
  const { start, scale, top, rowHeight } = camera;
  const surface = SURFACES[theme];
  context.save();
  context.beginPath();
  context.rect(left, 0, width - left, height - bottom);
  context.clip();
  context.fillStyle = theme === "dark" ? "rgb(22 24 29 / 0.62)" : "rgb(255 255 255 / 0.66)";
  context.fillRect(left, 0, width - left, height - bottom);
  const boxOf = ({ rank, start: from, end }: DrawnBlock) =>
    [
      left + (from - start) * scale,
      rank * rowHeight - top,
      Math.max(1.5, (end - from) * scale),
      Math.max(1, rowHeight * 0.84),
    ] as const;
  for (const block of path) context.clearRect(...boxOf(block));
  context.strokeStyle = surface.accent;
  context.lineWidth = 1.5;
  context.beginPath();
  for (const [i, block] of path.entries()) {
    const [x, y, w, h] = boxOf(block);
    if (i === 0) context.moveTo(x + w / 2, y + h / 2);
    else context.lineTo(x + w / 2, y + h / 2);
  }
  context.globalAlpha = 0.55;
  context.stroke();
  context.globalAlpha = 1;
  context.lineWidth = 2.5;
  context.strokeRect(...boxOf(selected));
  context.restore();
}

/** Draws lines through all lanes at these times. */
export function paintMarks(
  context: CanvasRenderingContext2D,
  { start, scale }: Camera,
  { left, width, height, bottom }: Layout,
  theme: Theme,
  marks: readonly number[],
): void {
  context.save();
  context.strokeStyle = SURFACES[theme].accent;
  context.lineWidth = 1.5;
  context.setLineDash([5, 3]);
  context.beginPath();
  for (const time of marks) {
    const x = left + (time - start) * scale;
    if (x < left || x > width) continue;
    context.moveTo(x, 0);
    context.lineTo(x, height - bottom);
  }
  context.stroke();
  context.restore();
}
