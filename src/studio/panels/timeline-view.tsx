/** The chart of a step with its tooltip. The canvas is for eyes; the table after it says the same to screen readers. */
import { type Signal, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { describeBlock, describeRelations } from "../chart/block-text.ts";
import type { Camera } from "../chart/camera.ts";
import type { BlockMarks } from "../chart/differences.ts";
import type { DrawnBlock } from "../chart/drawn-step.ts";
import type { Layout } from "../chart/painter.ts";
import type { Theme } from "../chart/palette.ts";
import { TimelineChart } from "../chart/timeline-chart.ts";
import type { LoadedStep } from "../session.ts";

/** Where a chart's camera is, for charts that share its axis. */
export interface CameraState {
  readonly camera: Camera;
  readonly layout: Layout;
}

interface Tooltip {
  readonly block: DrawnBlock;
  readonly x: number;
  readonly y: number;
}

interface TimelineViewProps {
  readonly name: string;
  readonly step: LoadedStep;
  readonly theme: Theme;
  readonly height: number;
  /** Charts with the same state move together. */
  readonly cameraState: Signal<CameraState | undefined>;
  /** The length of the axis, where it is longer than the step. */
  readonly clock?: number | undefined;
  /** Times with a line through all lanes. */
  readonly marks?: readonly number[] | undefined;
  /** Blocks with an outline; the keys n and p go to the next and the previous one. */
  readonly outlined?: BlockMarks | undefined;
  /** What else there is to say about a block. */
  readonly describe?: ((block: DrawnBlock) => string | undefined) | undefined;
  /** Handles a key that the chart does not; true when it did. */
  readonly onKey?: ((key: string) => boolean) | undefined;
}

const KEYS_HELP =
  "Arrow keys go from block to block. Plus and minus zoom, Shift with the left and right arrows and the page keys scroll, 0 shows everything.";

export function TimelineView(props: TimelineViewProps) {
  const { name, step, theme, height, cameraState, clock, marks = [], outlined } = props;
  const onKey = useRef(props.onKey);
  onKey.current = props.onKey;
  const surface = useRef<HTMLDivElement>(null);
  const base = useRef<HTMLCanvasElement>(null);
  const overlay = useRef<HTMLCanvasElement>(null);
  const chart = useRef<TimelineChart>(undefined);
  const tooltip = useSignal<Tooltip | undefined>(undefined);
  useEffect(() => {
    const made = new TimelineChart(surface.current!, base.current!, overlay.current!, {
      select: (block, x, y) => {
        tooltip.value = block && { block, x, y };
      },
      move: (camera, layout) => {
        cameraState.value = { camera, layout };
      },
      key: (key) => onKey.current?.(key) ?? false,
    });
    chart.current = made;
    // Tests read the blocks that the canvas draws from here.
    Object.assign(surface.current!, { chart: made });
    return () => made.close();
  }, []);
  useEffect(
    () => chart.current?.show({ drawn: step.drawn, finder: step.finder, theme, clock, marks, outlined }),
    [step, theme, clock, marks.join(), outlined],
  );
  const shared = cameraState.value?.camera;
  useEffect(() => {
    // The newest, which may be newer than that of this rendering.
    const newest = cameraState.peek()?.camera;
    if (newest) chart.current?.follow(newest.start, newest.scale);
  }, [shared?.start, shared?.scale]);
  const more = tooltip.value && props.describe?.(tooltip.value.block);
  return (
    <div class="timeline" style={{ height: `${height}px` }}>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: an application is interactive; keys move this one */}
      <div ref={surface} class="surface" role="application" tabIndex={0} aria-label={`${name}. ${KEYS_HELP}`}>
        <canvas ref={base} />
        <canvas ref={overlay} class="overlay" />
      </div>
      {tooltip.value && (
        <TooltipBox
          tooltip={tooltip.value}
          step={step}
          more={more}
          width={overlay.current?.clientWidth ?? 0}
        />
      )}
      <p class="hidden" aria-live="polite">
        {tooltip.value && describeBlock(tooltip.value.block)} {more}
      </p>
    </div>
  );
}

const TOOLTIP_WIDTH = 320;

interface TooltipBoxProps {
  readonly tooltip: Tooltip;
  readonly step: LoadedStep;
  readonly more: string | undefined;
  readonly width: number;
}

function TooltipBox({ tooltip, step, more, width }: TooltipBoxProps) {
  const { block, x, y } = tooltip;
  const lines = [
    ...describeRelations(block, step.finder.relationsOf(block)),
    ...(more === undefined ? [] : [more]),
  ];
  const left = Math.max(4, Math.min(x + 14, width - TOOLTIP_WIDTH - 8));
  return (
    <div
      class="tooltip"
      role="tooltip"
      style={{ left: `${left}px`, top: `${y + 18}px`, maxWidth: `${TOOLTIP_WIDTH}px` }}
    >
      <strong>{describeBlock(block)}</strong>
      {lines.map((line) => (
        <span key={line}>{line}</span>
      ))}
    </div>
  );
}
