/** Turns wheel, pointers and keys into movements of a chart. Two fingers zoom; one, or the mouse, drags. */
export interface GestureTarget {
  zoom(factor: number, x: number): void;
  zoomRows(factor: number, y: number): void;
  pan(dx: number, dy: number): void;
  hover(x: number, y: number): void;
  leave(): void;
  press(x: number, y: number): void;
  /** Handles a key; false when it is not one of the chart's. */
  key(key: string, isShift: boolean): boolean;
}

const CLICK_DISTANCE = 4;
const WHEEL_SPEED = 0.0016;

/** Listens on an element until the returned function is called. */
export function listenToGestures(element: HTMLElement, target: GestureTarget): () => void {
  const pointers = new Map<number, { x: number; y: number }>();
  let moved = 0;
  const positionOf = (event: MouseEvent) => {
    const { left, top } = element.getBoundingClientRect();
    return { x: event.clientX - left, y: event.clientY - top };
  };
  const onWheel = (event: WheelEvent) => {
    event.preventDefault();
    const { x, y } = positionOf(event);
    const delta = event.deltaMode === 1 ? 16 * event.deltaY : event.deltaY;
    if (event.shiftKey) target.pan(-(delta || event.deltaX), 0);
    else if (event.altKey) target.zoomRows(Math.exp(-delta * WHEEL_SPEED), y);
    else if (Math.abs(event.deltaX) > Math.abs(delta)) target.pan(-event.deltaX, 0);
    else target.zoom(Math.exp(-delta * WHEEL_SPEED), x);
  };
  const onDown = (event: PointerEvent) => {
    element.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, positionOf(event));
    moved = 0;
  };
  const onMove = (event: PointerEvent) => {
    const now = positionOf(event);
    const before = pointers.get(event.pointerId);
    if (before === undefined) {
      target.hover(now.x, now.y);
      return;
    }
    moved += Math.abs(now.x - before.x) + Math.abs(now.y - before.y);
    const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
    if (other === undefined) target.pan(now.x - before.x, now.y - before.y);
    else pinch(target, before, now, other);
    pointers.set(event.pointerId, now);
  };
  const onUp = (event: PointerEvent) => {
    if (pointers.delete(event.pointerId) && pointers.size === 0 && moved < CLICK_DISTANCE) {
      const { x, y } = positionOf(event);
      target.press(x, y);
    }
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (target.key(event.key, event.shiftKey)) event.preventDefault();
  };
  const onLeave = () => target.leave();
  element.addEventListener("wheel", onWheel, { passive: false });
  element.addEventListener("pointerdown", onDown);
  element.addEventListener("pointermove", onMove);
  element.addEventListener("pointerup", onUp);
  element.addEventListener("pointercancel", onUp);
  element.addEventListener("pointerleave", onLeave);
  element.addEventListener("keydown", onKey);
  return () => {
    element.removeEventListener("wheel", onWheel);
    element.removeEventListener("pointerdown", onDown);
    element.removeEventListener("pointermove", onMove);
    element.removeEventListener("pointerup", onUp);
    element.removeEventListener("pointercancel", onUp);
    element.removeEventListener("pointerleave", onLeave);
    element.removeEventListener("keydown", onKey);
  };
}

interface Point {
  readonly x: number;
  readonly y: number;
}

function pinch(target: GestureTarget, before: Point, now: Point, other: Point): void {
  const distance = (point: Point) => Math.max(20, Math.hypot(point.x - other.x, point.y - other.y));
  target.zoom(distance(now) / distance(before), (now.x + other.x) / 2);
  target.pan((now.x - before.x) / 2, (now.y - before.y) / 2);
}
