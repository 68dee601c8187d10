import { counted } from "../../errors/counted.ts";
import { formatAction } from "../program/action.ts";
import { makespanOf, type Timeline, type TimelineEvent } from "../simulate/timeline.ts";
import { type Bar, barsOf, KIND_IN_WORDS } from "./bars.ts";
import { ChartRows } from "./chart-rows.ts";
import { ticksOf } from "./ticks.ts";

export interface SvgOptions {
  readonly width?: number | undefined;
  readonly rowHeight?: number | undefined;
}

/** The colours of each direction: lighter from the last rank to the first. */
const COLOUR = {
  F: ["#f2b134", "#fae0a8"],
  I: ["#5cc8d7", "#bfeaf0"],
  W: ["#5b8def", "#bdd0f9"],
  B: ["#6fbf59", "#c4e5bb"],
} as const;
const LEGEND_COLUMN = 165;
/** The width of a digit in a label of 11 pixels, with some room to spare. */
const DIGIT_WIDTH = 6.5;
const TICK_WIDTH = 80;

const round = (value: number) => Math.round(value * 100) / 100;

/** Where things are drawn. */
interface Frame {
  readonly left: number;
  readonly width: number;
  readonly rowHeight: number;
  /** Pixels per unit of time. */
  readonly scale: number;
}

/** A rank-by-time chart as an SVG document; every bar has its action and times as a tooltip. */
export function timelineSvg(timeline: Timeline, { width = 1200, rowHeight = 22 }: SvgOptions = {}): string {
  const rows = new ChartRows(timeline);
  const titles = timeline.ranks.map((_, rank) => rows.titleOf(rank));
  const left = Math.max(60, 10 + DIGIT_WIDTH * Math.max(...titles.map(({ length }) => length)));
  const makespan = makespanOf(timeline);
  const scale = makespan > 0 ? (width - left - 10) / makespan : 0;
  const frame: Frame = { left, width, rowHeight, scale };
  const bottom = timeline.ranks.length * rowHeight + 5;
  const height = bottom + 45;
  const labelOf = labelsOf(timeline, rows, scale);
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="schedule" font-family="sans-serif" font-size="11">`,
    `<title id="schedule">${escapeText(timeline.schedule)} on ${counted(timeline.ranks.length, "rank")}</title>`,
    `<rect width="${width}" height="${height}" rx="6" fill="#fff"/>`,
    ...timeline.ranks.flatMap((track, rank) => {
      const y = 5 + rank * rowHeight;
      return [
        `<text x="4" y="${y + rowHeight - 8}">${titles[rank]}</text>`,
        ...Array.from(track, (event) => drawEvent(event, frame, y, rows, labelOf)).flat(),
      ];
    }),
    ...axis(makespan, frame, bottom),
    ...legend(left, height - 19, rows.hasBothDirections),
    "</svg>",
  ].join("\n")}\n`;
}

/** The bars of an event, and a frame around a pair. */
function drawEvent(
  { action, startMs, endMs }: TimelineEvent,
  { left, rowHeight, scale }: Frame,
  y: number,
  rows: ChartRows,
  labelOf: (bar: Bar) => string,
): string[] {
  const title = `<title>${formatAction(action)}: ${round(startMs)} to ${round(endMs)}</title>`;
  const lines = barsOf(action, startMs, endMs).map((bar) => {
    const x = round(left + bar.start * scale);
    const barWidth = round((bar.end - bar.start) * scale);
    const fill = COLOUR[bar.kind][rows.directionOf(bar.stage, bar.microBatch)];
    const label = labelOf(bar);
    const text =
      label === ""
        ? ""
        : `<text x="${round(x + barWidth / 2)}" y="${y + rowHeight - 8}" text-anchor="middle">${label}</text>`;
    return `<g>${title}<rect x="${x}" y="${y}" width="${barWidth}" height="${rowHeight - 3}" fill="${fill}" stroke="#333" stroke-width="0.5"/>${text}</g>`;
  });
  if (action.kind === "OVERLAP_F_B") {
    const pairWidth = round((endMs - startMs) * scale);
    lines.push(
      `<rect x="${round(left + startMs * scale)}" y="${y}" width="${pairWidth}" height="${rowHeight - 3}" fill="none" stroke="#000" stroke-width="1.6"/>`,
    );
  }
  return lines;
}

/** The micro-batch of each bar, with its stage where a direction has several on a rank; none unless all fit. */
function labelsOf(timeline: Timeline, rows: ChartRows, scale: number): (bar: Bar) => string {
  const labelOf = ({ stage, microBatch }: Bar) =>
    rows.hasSeveralOfDirection ? `${stage}·${microBatch}` : `${microBatch}`;
  for (const track of timeline.ranks)
    for (const { action, startMs, endMs } of track)
      for (const bar of barsOf(action, startMs, endMs))
        if (bar.end > bar.start && (bar.end - bar.start) * scale < DIGIT_WIDTH * labelOf(bar).length)
          return () => "";
  return (bar) => (bar.end > bar.start ? labelOf(bar) : "");
}

/** A line with ticks under the rows. */
function axis(makespan: number, { left, width, scale }: Frame, y: number): string[] {
  return [
    `<path d="M${left} ${y}H${width - 10}" stroke="#333"/>`,
    ...ticksOf(makespan, Math.floor((width - left) / TICK_WIDTH)).map(({ time, label }) => {
      const x = round(left + time * scale);
      return `<path d="M${x} ${y}v4" stroke="#333"/><text x="${x}" y="${y + 15}" text-anchor="middle">${label}</text>`;
    }),
  ];
}

/** A swatch for each colour, and one for the frame of a pair. */
function legend(left: number, top: number, hasBothDirections: boolean): string[] {
  const swatch = (column: number, fill: string, strokeWidth: number, meaning: string): string => {
    const x = round(left + column * LEGEND_COLUMN);
    return (
      `<rect x="${x}" y="${top}" width="16" height="12" fill="${fill}" stroke="#000" stroke-width="${strokeWidth}"/>` +
      `<text x="${x + 22}" y="${top + 11}">${meaning}</text>`
    );
  };
  const kinds = ["F", "I", "W", "B"] as const;
  return [
    ...kinds.map((kind, column) => swatch(column, COLOUR[kind][0], 0.5, `${kind} ${KIND_IN_WORDS[kind]}`)),
    swatch(kinds.length, "none", 1.6, "F with B, overlapped"),
    ...(hasBothDirections
      ? [swatch(kinds.length + 1, COLOUR.F[1], 0.5, "lighter: from last rank to first")]
      : []),
  ];
}

/** Escapes the name of a program, which may be the name of a file. */
function escapeText(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
