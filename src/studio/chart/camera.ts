/** The part of a chart that is visible: from `start` on, `scale` pixels per unit of time, and the first row shown. */
export interface Camera {
  readonly start: number;
  readonly scale: number;
  /** The distance that rows are scrolled up, in pixels. */
  readonly top: number;
  readonly rowHeight: number;
}

/** The sizes that limit a camera. */
export interface Extent {
  readonly makespan: number;
  readonly numRows: number;
  /** Pixels for the rows. */
  readonly width: number;
  readonly height: number;
}

const ROW_HEIGHT_MAX = 34;
/** At most this many pixels for the shortest step of interest, the whole divided by a million. */
const SCALE_MAX_FACTOR = 1e6;

/** The camera that shows everything. */
export function fitCamera({ makespan, numRows, width, height }: Extent): Camera {
  const rowHeight = Math.min(ROW_HEIGHT_MAX, Math.max(1, height / Math.max(1, numRows)));
  return { start: 0, scale: makespan > 0 ? width / makespan : 1, top: 0, rowHeight };
}

/** The camera within its limits: never further out than everything, and never beyond an edge. */
export function clampCamera(camera: Camera, extent: Extent): Camera {
  const fit = fitCamera(extent);
  const scale = Math.min(Math.max(camera.scale, fit.scale), fit.scale * SCALE_MAX_FACTOR);
  const rowHeight = Math.min(Math.max(camera.rowHeight, fit.rowHeight), ROW_HEIGHT_MAX);
  const lastStart = Math.max(0, extent.makespan - extent.width / scale);
  const lastTop = Math.max(0, extent.numRows * rowHeight - extent.height);
  return {
    start: Math.min(Math.max(0, camera.start), lastStart),
    scale,
    top: Math.min(Math.max(0, camera.top), lastTop),
    rowHeight,
  };
}

/** The camera closer by a factor; the time at pixel `x` stays where it is. */
export function zoomTime(camera: Camera, factor: number, x: number, extent: Extent): Camera {
  const scale = Math.min(camera.scale * factor, fitCamera(extent).scale * SCALE_MAX_FACTOR);
  const start = camera.start + x / camera.scale - x / scale;
  return clampCamera({ ...camera, scale, start }, extent);
}

/** The camera with higher rows; the row at pixel `y` stays where it is. */
export function zoomRows(camera: Camera, factor: number, y: number, extent: Extent): Camera {
  const limited = clampCamera({ ...camera, rowHeight: camera.rowHeight * factor }, extent);
  const top = ((camera.top + y) / camera.rowHeight) * limited.rowHeight - y;
  return clampCamera({ ...limited, top }, extent);
}

/** The camera moved so that the chart follows the pointer. */
export function panCamera(camera: Camera, dx: number, dy: number, extent: Extent): Camera {
  return clampCamera({ ...camera, start: camera.start - dx / camera.scale, top: camera.top - dy }, extent);
}

/** The camera moved as little as possible to show a block. */
export function revealBlock(
  camera: Camera,
  rank: number,
  start: number,
  end: number,
  extent: Extent,
): Camera {
  const visible = extent.width / camera.scale;
  const margin = 0.05 * visible;
  let first = camera.start;
  if (end + margin > first + visible) first = end + margin - visible;
  if (start - margin < first) first = start - margin;
  let top = camera.top;
  if ((rank + 1) * camera.rowHeight > top + extent.height)
    top = (rank + 1) * camera.rowHeight - extent.height;
  if (rank * camera.rowHeight < top) top = rank * camera.rowHeight;
  return clampCamera({ ...camera, start: first, top }, extent);
}
