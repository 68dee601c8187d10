/** The candidates of a plan as marks in a plot of memory and time. A click or Enter picks the run that is shown. */
import { type Signal, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { PlannedRun } from "../../../schedule/index.ts";
import { MARKS, type Mark, markPath } from "../../plan/marks.ts";
import { keyOfRun } from "../../plan/planned-settings.ts";
import { MARGIN, Scatter, type ScatterPoint } from "../../plan/scatter.ts";
import { gigabytes } from "../../plan/weigh.ts";
import { describeRun } from "./run-text.ts";

const HEIGHT = 360;
const RADIUS = 5;
const ZOOM_FACTOR = 1.5;
const HELP =
  "The left and right arrow keys go from run to run by memory, up and down by time. Enter shows its step. Plus and minus change how slow the slowest is.";

interface ScatterChartProps {
  readonly candidates: readonly PlannedRun[];
  readonly memoryBytes: number;
  readonly within: number;
  readonly picked: PlannedRun | undefined;
  readonly pick: (run: PlannedRun) => void;
  readonly zoom: (within: number) => void;
}

export function ScatterChart(props: ScatterChartProps) {
  const { candidates, memoryBytes, within, picked, pick, zoom } = props;
  const surface = useRef<HTMLDivElement>(null);
  const width = useSignal(800);
  const pointed = useSignal<ScatterPoint | undefined>(undefined);
  useEffect(() => {
    const element = surface.current!;
    const observer = new ResizeObserver(() => {
      width.value = Math.max(240, element.clientWidth);
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  const scatter = new Scatter(candidates, memoryBytes, within, width.value, HEIGHT);
  // Tests read the points that are drawn from here.
  useEffect(() => void Object.assign(surface.current!, { scatter }));
  const nearest = ({ clientX, clientY }: MouseEvent) => {
    const { left, top } = surface.current!.getBoundingClientRect();
    return scatter.nearest(clientX - left, clientY - top);
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (handleKey(event.key, { scatter, pointed, within, pick, zoom })) event.preventDefault();
  };
  // The plot may have moved under the pointer.
  const here =
    pointed.value && scatter.points.find(({ run }) => keyOfRun(run) === keyOfRun(pointed.value!.run));
  return (
    <div class="timeline scatter" style={{ height: `${HEIGHT}px` }}>
      <div
        ref={surface}
        class="scatter-surface"
        role="application"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: an application is interactive; keys move this one
        tabIndex={0}
        aria-label={`Runs by memory and time. ${HELP}`}
        onKeyDown={onKey}
        onPointerMove={(event) => {
          pointed.value = nearest(event);
        }}
        onPointerLeave={() => {
          pointed.value = undefined;
        }}
        onClick={(event) => {
          const point = nearest(event);
          if (point) pick(point.run);
        }}
      >
        <Plot
          scatter={scatter}
          memoryBytes={memoryBytes}
          width={width.value}
          picked={picked}
          pointed={here}
        />
      </div>
      {here && <RunTip point={here} width={width.value} />}
      <p class="hidden" aria-live="polite">
        {here && describeRun(here.run)}
      </p>
    </div>
  );
}

interface KeyTarget extends Pick<ScatterChartProps, "within" | "pick" | "zoom"> {
  readonly scatter: Scatter;
  readonly pointed: Signal<ScatterPoint | undefined>;
}

/** Handles a key; false when the plot does not use it. */
function handleKey(key: string, { scatter, pointed, within, pick, zoom }: KeyTarget): boolean {
  const move = (axis: "x" | "y", offset: 1 | -1) => {
    pointed.value = scatter.next(pointed.value, axis, offset);
  };
  if (key === "ArrowLeft" || key === "ArrowRight") move("x", key === "ArrowRight" ? 1 : -1);
  else if (key === "ArrowUp" || key === "ArrowDown") move("y", key === "ArrowUp" ? 1 : -1);
  else if (key === "Escape") pointed.value = undefined;
  else if (key === "+" || key === "=") zoom(within / ZOOM_FACTOR);
  else if (key === "-") zoom(within * ZOOM_FACTOR);
  else if ((key === "Enter" || key === " ") && pointed.value) pick(pointed.value.run);
  else return false;
  return true;
}

function RunTip({ point, width }: { point: ScatterPoint; width: number }) {
  const left = Math.max(4, Math.min(point.x + 12, width - 330));
  return (
    <div
      class="tooltip"
      role="tooltip"
      style={{ left: `${left}px`, top: `${point.y + 14}px`, maxWidth: "320px" }}
    >
      <strong>{describeRun(point.run)}</strong>
      {!point.fits && <span>does not fit in the memory of a device</span>}
      {point.isOnFront && <span>nothing that fits needs less memory and less time</span>}
    </div>
  );
}

interface PlotProps {
  readonly scatter: Scatter;
  readonly memoryBytes: number;
  readonly width: number;
  readonly picked: PlannedRun | undefined;
  readonly pointed: ScatterPoint | undefined;
}

function Plot({ scatter, memoryBytes, width, picked, pointed }: PlotProps) {
  const { xTicks, yTicks, memoryX, points } = scatter;
  const [right, bottom] = [width - MARGIN.right, HEIGHT - MARGIN.bottom];
  const pickedPoint = points.find(({ run }) => run === picked);
  return (
    <svg width={width} height={HEIGHT} aria-hidden="true">
      <rect class="beyond" x={memoryX} y={MARGIN.top} width={right - memoryX} height={bottom - MARGIN.top} />
      {xTicks.map(({ at, label }) => (
        <g key={label}>
          <line class="grid" x1={at} x2={at} y1={MARGIN.top} y2={bottom} />
          <text x={at} y={bottom + 16} text-anchor="middle">
            {label}
          </text>
        </g>
      ))}
      {yTicks.map(({ at, label }) => (
        <g key={label}>
          <line class="grid" x1={MARGIN.left} x2={right} y1={at} y2={at} />
          <text x={MARGIN.left - 8} y={at + 4} text-anchor="end">
            {label}
          </text>
        </g>
      ))}
      <text x={(MARGIN.left + right) / 2} y={HEIGHT - 8} text-anchor="middle">
        memory of the fullest rank, in GB
      </text>
      <text x={-(MARGIN.top + bottom) / 2} y={14} text-anchor="middle" transform="rotate(-90)">
        time of a step, in s
      </text>
      <line class="limit" x1={memoryX} x2={memoryX} y1={MARGIN.top} y2={bottom} />
      <path class="front" d={scatter.frontPath()} />
      {MARKS.map((mark) => (
        <MarkedRuns key={mark.schedule} mark={mark} points={points} />
      ))}
      <text x={memoryX} y={MARGIN.top - 9} text-anchor="middle">
        a device has {gigabytes(memoryBytes)}
      </text>
      {[pickedPoint, pointed].map(
        (point, i) =>
          point && (
            <circle key={`${i}`} class={i === 0 ? "picked" : "pointed"} cx={point.x} cy={point.y} r={10} />
          ),
      )}
    </svg>
  );
}

/** The runs of a schedule: filled where they fit, and outlines where they do not. */
function MarkedRuns({ mark, points }: { mark: Mark; points: readonly ScatterPoint[] }) {
  const path = (fits: boolean) =>
    points
      .filter((point) => point.run.schedule === mark.schedule && point.fits === fits)
      .map(({ x, y }) => markPath(mark, x, y, RADIUS))
      .join("");
  return (
    <>
      <path class="mark unfit" d={path(false)} />
      <path class="mark" d={path(true)} fill={mark.colour} />
    </>
  );
}

/** What the marks mean, with the number of runs of each. */
export function MarkLegend({ candidates }: { candidates: readonly PlannedRun[] }) {
  return (
    <ul class="legend" aria-label="Marks">
      {MARKS.map((mark) => {
        const count = candidates.filter(({ schedule }) => schedule === mark.schedule).length;
        return (
          count > 0 && (
            <li key={mark.schedule}>
              <svg width={16} height={16} aria-hidden="true">
                <path class="mark" d={markPath(mark, 8, 8, RADIUS)} fill={mark.colour} />
              </svg>{" "}
              {mark.title} <small>{count}</small>
            </li>
          )
        );
      })}
      <li>
        <svg width={16} height={16} aria-hidden="true">
          <path class="mark unfit" d={markPath(MARKS[0]!, 8, 8, RADIUS)} />
        </svg>{" "}
        an outline: does not fit
      </li>
      <li>
        <svg width={24} height={16} aria-hidden="true">
          <path class="front" d="M1 8H23" />
        </svg>{" "}
        nothing that fits needs less of both
      </li>
    </ul>
  );
}
