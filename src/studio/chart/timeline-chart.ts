/*
 * A chart that can be moved: two canvases, one above the other. The lower one has the blocks and is painted when the
 * step or the camera changes. The upper one has what the pointer lights up, so that moving the pointer over a hundred
 * thousand blocks paints none of them again. Both are painted at most once for each frame of the screen.
 */
import { blockAcross, blockAlong, markedBlock } from "./block-walk.ts";
import {
  type Camera,
  clampCamera,
  type Extent,
  fitCamera,
  panCamera,
  revealBlock,
  zoomRows,
  zoomTime,
} from "./camera.ts";
import type { BlockMarks } from "./differences.ts";
import type { DrawnBlock, DrawnStep } from "./drawn-step.ts";
import { type GestureTarget, listenToGestures } from "./gestures.ts";
import { paintOutlines } from "./outlines.ts";
import { type Layout, layoutOf, Painter, paintHighlight, paintMarks } from "./painter.ts";
import type { Theme } from "./palette.ts";
import type { BlockFinder } from "./relations.ts";

/** What a chart shows. */
export interface ChartContent {
  readonly drawn: DrawnStep;
  readonly finder: BlockFinder;
  readonly theme: Theme;
  /** The length of the axis, where it is longer than the step. */
  readonly clock?: number | undefined;
  /** Times with a line through all lanes. */
  readonly marks?: readonly number[] | undefined;
  /** Blocks with an outline. */
  readonly outlined?: BlockMarks | undefined;
}

export interface ChartListener {
  /** The block under the pointer or chosen by keys, and where it is; undefined when there is none. */
  select(block: DrawnBlock | undefined, x: number, y: number): void;
  /** The camera and layout after each change. */
  move(camera: Camera, layout: Layout): void;
  /** A key that the chart does not use; true when the listener does. */
  key?(key: string): boolean;
}

export class TimelineChart implements GestureTarget {
  readonly #base: HTMLCanvasElement;
  readonly #overlay: HTMLCanvasElement;
  readonly #listener: ChartListener;
  readonly #stop: () => void;
  readonly #observer: ResizeObserver;
  #content: ChartContent | undefined;
  #painter: Painter | undefined;
  #camera: Camera | undefined;
  #layout: Layout = { width: 1, height: 1, left: 0, bottom: 0 };
  #selected: DrawnBlock | undefined;
  #isBaseStale = false;
  #frame = 0;

  constructor(
    surface: HTMLElement,
    base: HTMLCanvasElement,
    overlay: HTMLCanvasElement,
    listener: ChartListener,
  ) {
    this.#base = base;
    this.#overlay = overlay;
    this.#listener = listener;
    this.#stop = listenToGestures(surface, this);
    this.#observer = new ResizeObserver(() => this.#resize());
    this.#observer.observe(overlay);
  }

  /** The blocks as they are drawn, for tests. */
  get content(): ChartContent | undefined {
    return this.#content;
  }

  get camera(): Camera | undefined {
    return this.#camera;
  }

  /** The size of the numbers; undefined while none is drawn. */
  get labelSize(): number | undefined {
    return this.#camera && this.#painter?.labelSize(this.#camera);
  }

  /** Where the lanes begin, in pixels. */
  get left(): number {
    return this.#layout.left;
  }

  /** Shows a step. The camera stays where it is when the step has the same rows and almost the same length. */
  show(content: ChartContent): void {
    const before = this.#content?.drawn;
    const wasFitted = this.#isFitted();
    this.#content = content;
    this.#painter = new Painter(content.drawn, content.theme);
    this.#selected = undefined;
    this.#layout = layoutOf(this.#layout.width, this.#layout.height);
    const isNew = before?.numRanks !== content.drawn.numRanks || wasFitted;

    this.#setCamera(isNew || !this.#camera ? fitCamera(this.#extent()) : this.#camera);
  }

  /** Shows the same times as another chart. */
  follow(start: number, scale: number): void {
    const camera = this.#camera;
    if (camera === undefined || !this.#hasSize() || (camera.start === start && camera.scale === scale))
      return;
    this.#camera = clampCamera({ ...camera, start, scale }, this.#extent());
    this.#isBaseStale = true;
    this.#schedulePaint();
  }

  close(): void {
    this.#stop();
    this.#observer.disconnect();
    cancelAnimationFrame(this.#frame);
  }

  zoom(factor: number, x: number): void {
    if (this.#camera) this.#setCamera(zoomTime(this.#camera, factor, x - this.#layout.left, this.#extent()));
  }

  zoomRows(factor: number, y: number): void {
    if (this.#camera) this.#setCamera(zoomRows(this.#camera, factor, y, this.#extent()));
  }

  pan(dx: number, dy: number): void {
    if (this.#camera) this.#setCamera(panCamera(this.#camera, dx, dy, this.#extent()));
  }

  fit(): void {
    if (this.#content) this.#setCamera(fitCamera(this.#extent()));
  }

  hover(x: number, y: number): void {
    const camera = this.#camera;
    if (camera === undefined || this.#content === undefined) return;
    const isInside = x >= this.#layout.left && y < this.#layout.height - this.#layout.bottom;
    const rank = Math.floor((y + camera.top) / camera.rowHeight);
    const time = camera.start + (x - this.#layout.left) / camera.scale;
    this.#select(isInside ? this.#content.drawn.blockAt(rank, time) : undefined, x, y);
  }

  leave(): void {
    this.#select(undefined, 0, 0);
  }

  press(x: number, y: number): void {
    this.hover(x, y);
  }

  /** Selects a block and moves it into view. */
  reveal(block: DrawnBlock | undefined): void {
    if (block === undefined || this.#camera === undefined) return;
    const { start, end, rank } = block;
    this.#setCamera(revealBlock(this.#camera, rank, start, end, this.#extent()));
    const { scale, start: first, top, rowHeight } = this.#camera;
    const x = this.#layout.left + ((start + end) / 2 - first) * scale;
    this.#select(block, x, (rank + 0.5) * rowHeight - top);
  }

  key(key: string, isShift: boolean): boolean {
    const step = this.#layout.width / 8;
    const middle = this.#layout.left + (this.#layout.width - this.#layout.left) / 2;
    if (key === "+" || key === "=") this.zoom(1.3, middle);
    else if (key === "-") this.zoom(1 / 1.3, middle);
    else if (key === "0" || key === "Home") this.fit();
    else if (key === "PageUp") this.pan(0, this.#layout.height / 2);
    else if (key === "PageDown") this.pan(0, -this.#layout.height / 2);
    else if (isShift && key === "ArrowLeft") this.pan(step, 0);
    else if (isShift && key === "ArrowRight") this.pan(-step, 0);
    else if (this.#listener.key?.(key)) return true;
    else if (key === "ArrowLeft") this.#move((drawn, from) => blockAlong(drawn, from, -1));
    else if (key === "ArrowRight") this.#move((drawn, from) => blockAlong(drawn, from, 1));
    else if (key === "ArrowUp") this.#move((drawn, from) => blockAcross(drawn, from, -1));
    else if (key === "ArrowDown") this.#move((drawn, from) => blockAcross(drawn, from, 1));
    else if (key === "n" || key === "p") this.#moveToMarked(key === "n" ? 1 : -1);
    else if (key === "Escape") this.leave();
    else return false;
    return true;
  }

  /** Goes to the block that a walk leads to; to the first one from nowhere. */
  #move(walk: (drawn: DrawnStep, selected: DrawnBlock) => DrawnBlock | undefined): void {
    const drawn = this.#content?.drawn;
    if (drawn === undefined) return;
    this.reveal(this.#selected === undefined ? drawn.blocksAt(0, 0)[0] : walk(drawn, this.#selected));
  }

  #moveToMarked(offset: 1 | -1): void {
    const { drawn, outlined } = this.#content ?? {};
    if (drawn && outlined) this.reveal(markedBlock(drawn, outlined, this.#selected, offset));
  }

  #extent(): Extent {
    const { width, height, left, bottom } = this.#layout;
    const drawn = this.#content?.drawn;
    return {
      makespan: this.#content?.clock ?? drawn?.makespan ?? 0,
      numRows: drawn?.numRanks ?? 1,
      width: Math.max(1, width - left - 8),
      height: Math.max(1, height - bottom),
    };
  }

  /** Whether the page has given the chart its size; no camera means anything before. */
  #hasSize(): boolean {
    return this.#layout.width > 1;
  }

  #isFitted(): boolean {
    if (this.#camera === undefined || this.#content === undefined || !this.#hasSize()) return true;
    const fit = fitCamera(this.#extent());
    return this.#camera.scale <= fit.scale * 1.001 && this.#camera.rowHeight <= fit.rowHeight * 1.001;
  }

  #resize(): void {
    const wasFitted = this.#isFitted();
    const { clientWidth: width, clientHeight: height } = this.#overlay;
    if (width === 0 || height === 0) return;
    for (const canvas of [this.#base, this.#overlay]) {
      canvas.width = Math.round(width * devicePixelRatio);
      canvas.height = Math.round(height * devicePixelRatio);
    }
    if (this.#content === undefined) {
      this.#layout = { ...this.#layout, width, height };
      return;
    }
    this.#layout = layoutOf(width, height);
    this.#setCamera(
      wasFitted || !this.#camera ? fitCamera(this.#extent()) : clampCamera(this.#camera, this.#extent()),
    );
  }

  #setCamera(camera: Camera): void {
    this.#camera = clampCamera(camera, this.#extent());
    this.#isBaseStale = true;
    if (this.#hasSize()) this.#listener.move(this.#camera, this.#layout);
    this.#schedulePaint();
  }

  #select(block: DrawnBlock | undefined, x: number, y: number): void {
    this.#selected = block;
    this.#listener.select(block, x, y);
    this.#schedulePaint();
  }

  #schedulePaint(): void {
    if (this.#frame !== 0) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      this.#paint();
    });
  }

  #paint(): void {
    const [camera, content] = [this.#camera, this.#content];
    if (camera === undefined || content === undefined || !this.#hasSize()) return;
    const base = this.#base.getContext("2d", { alpha: false });
    const overlay = this.#overlay.getContext("2d");
    if (base === null || overlay === null) return;
    if (this.#isBaseStale) {
      this.#painter?.paint(base, camera, this.#layout, devicePixelRatio);
      const { drawn, theme, outlined } = content;
      if (outlined) paintOutlines(base, camera, this.#layout, theme, drawn, outlined);
    }
    this.#isBaseStale = false;
    overlay.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    overlay.clearRect(0, 0, this.#layout.width, this.#layout.height);
    paintMarks(overlay, camera, this.#layout, content.theme, content.marks ?? []);
    const selected = this.#selected;
    if (selected === undefined) return;
    const path = content.finder.pathOf(selected.microBatch);
    paintHighlight(overlay, camera, this.#layout, content.theme, path, selected);
  }
}
