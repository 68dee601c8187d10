/** The memory of each rank over time, on the axis of the chart above it. */
import type { ReadonlySignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { timeText } from "../chart/block-text.ts";
import { firstEndingAfter } from "../chart/drawn-step.ts";
import { rankColour, SURFACES, type Theme } from "../chart/palette.ts";
import type { LoadedStep } from "../session.ts";
import type { MemoryColumns } from "../worker/step-result.ts";
import type { CameraState } from "./timeline-view.tsx";

const LINES_MAX = 32;

interface MemoryChartProps {
  readonly step: LoadedStep;
  readonly theme: Theme;
  readonly cameraState: ReadonlySignal<CameraState | undefined>;
}

export function MemoryChart({ step, theme, cameraState }: MemoryChartProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const state = cameraState.value;
  useEffect(() => {
    if (canvas.current && state) paintMemory(canvas.current, step, theme, state);
  }, [step, theme, state]);
  const peaks = step.result.memory.map(({ peak }) => timeText(peak));
  return (
    <canvas
      ref={canvas}
      class="memory"
      role="img"
      aria-label={`Memory over time; the peak of each rank is ${peaks.slice(0, LINES_MAX).join(", ")}`}
    />
  );
}

function paintMemory(
  canvas: HTMLCanvasElement,
  { result }: LoadedStep,
  theme: Theme,
  state: CameraState,
): void {
  const { clientWidth: width, clientHeight: height } = canvas;
  const ratio = devicePixelRatio;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const context = canvas.getContext("2d");
  if (context === null || result.memory.length === 0) return;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  const { left } = state.layout;
  const highest = Math.max(1e-12, ...result.memory.map(({ peak }) => peak));
  const surface = SURFACES[theme];
  context.font = "11px system-ui, sans-serif";
  context.fillStyle = surface.text;
  context.textBaseline = "middle";
  context.fillText("memory", 6, height / 2);
  context.textAlign = "right";
  context.fillText(timeText(highest), left - 6, 10);
  context.fillText("0", left - 6, height - 8);
  context.save();
  context.beginPath();
  context.rect(left, 0, width - left, height);
  context.clip();
  const numLines = Math.min(LINES_MAX, result.numRanks);
  for (let line = 0; line < numLines; line++) {
    const rank = Math.floor((line * result.numRanks) / numLines);
    context.strokeStyle = rankColour(rank, result.numRanks, theme);
    context.lineWidth = 1.3;
    // Lines of ranks with the same memory lie next to each other, not on each other.
    const shift = numLines > 16 ? 0 : line * 0.8;
    const yOf = (amount: number) => height - 6 - shift - ((height - 14) * amount) / highest;
    strokeSteps(context, result.memory[rank]!, state, width, yOf);
  }
  context.restore();
}

/** Draws the visible steps, at most one for each pixel. */
function strokeSteps(
  context: CanvasRenderingContext2D,
  { times, amounts }: MemoryColumns,
  { camera, layout: { left } }: CameraState,
  width: number,
  yOf: (amount: number) => number,
): void {
  const { start, scale } = camera;
  const xOf = (time: number) => left + (time - start) * scale;
  context.beginPath();
  let index = Math.max(0, firstEndingAfter(times, start) - 1);
  context.moveTo(left, yOf(amounts[index] ?? 0));
  while (index < times.length && xOf(times[index]!) < width) {
    const x = Math.max(left, xOf(times[index]!));
    context.lineTo(x, yOf(amounts[Math.max(0, index - 1)]!));
    context.lineTo(x, yOf(amounts[index]!));
    const next = firstEndingAfter(times, start + (x - left + 0.7) / scale, index + 1);
    index = Math.max(index + 1, next - 1 > index ? next - 1 : next);
  }
  context.lineTo(width, yOf(amounts[Math.min(index, times.length) - 1] ?? 0));
  context.stroke();
}
