import { formatAction } from "../program/action.ts";
import { makespanOf, type Timeline } from "../simulate/timeline.ts";
import { barsOf } from "./bars.ts";

export interface SvgOptions {
  readonly width?: number;
  readonly rowHeight?: number;
}

const COLOUR = { F: "#f2b134", I: "#5cc8d7", W: "#5b8def", B: "#6fbf59" } as const;
const MEANING = {
  F: "forward",
  I: "backward for inputs",
  W: "backward for weights",
  B: "both backwards",
} as const;
const LEGEND_COLUMN = 180;

/** A rank-by-time chart as an SVG document; every bar has its action and times as a tooltip. */
export function timelineSvg(timeline: Timeline, { width = 1200, rowHeight = 22 }: SvgOptions = {}): string {
  const left = 60;
  const makespan = makespanOf(timeline);
  const scale = makespan > 0 ? (width - left - 10) / makespan : 0;
  const round = (value: number) => Math.round(value * 100) / 100;
  const height = timeline.ranks.length * rowHeight + 30;
  const lines = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="schedule" font-family="sans-serif" font-size="11">`,
    `<title id="schedule">${escapeText(timeline.schedule)} on ${timeline.ranks.length} ranks</title>`,
    `<rect width="${width}" height="${height}" rx="6" fill="#fff"/>`,
  ];
  for (const [rank, track] of timeline.ranks.entries()) {
    const y = 5 + rank * rowHeight;
    lines.push(`<text x="4" y="${y + rowHeight - 8}">rank ${rank}</text>`);
    for (const { action, startMs, endMs } of track) {
      const title = `<title>${formatAction(action)}: ${round(startMs)} to ${round(endMs)}</title>`;
      for (const { kind, microBatch, start, end } of barsOf(action, startMs, endMs)) {
        const label = `${microBatch}`;
        const x = round(left + start * scale);
        const barWidth = round((end - start) * scale);
        lines.push(
          `<g>${title}<rect x="${x}" y="${y}" width="${barWidth}" height="${rowHeight - 3}" fill="${COLOUR[kind]}" stroke="#333" stroke-width="0.5"/>`,
        );
        // Narrower bars have no room for a legible number.
        if (barWidth >= 7 * label.length) {
          lines.push(
            `<text x="${round(x + barWidth / 2)}" y="${y + rowHeight - 8}" text-anchor="middle">${label}</text>`,
          );
        }
        lines.push("</g>");
      }
      if (action.kind === "OVERLAP_F_B") {
        const pairWidth = round((endMs - startMs) * scale);
        lines.push(
          `<rect x="${round(left + startMs * scale)}" y="${y}" width="${pairWidth}" height="${rowHeight - 3}" fill="none" stroke="#000" stroke-width="1.6"/>`,
        );
      }
    }
  }
  lines.push(
    `<text x="${left}" y="${height - 8}">0</text>`,
    ...legend(left + 40, height - 19),
    `<text x="${width - 10}" y="${height - 8}" text-anchor="end">${round(makespan)}</text>`,
    "</svg>",
  );
  return `${lines.join("\n")}\n`;
}

/** A swatch for each colour, and one for the frame of a pair. */
function legend(left: number, top: number): string[] {
  const swatch = (column: number, fill: string, strokeWidth: number, meaning: string): string => {
    const x = left + column * LEGEND_COLUMN;
    return (
      `<rect x="${x}" y="${top}" width="16" height="12" fill="${fill}" stroke="#000" stroke-width="${strokeWidth}"/>` +
      `<text x="${x + 22}" y="${top + 11}">${meaning}</text>`
    );
  };
  const kinds = ["F", "I", "W", "B"] as const;
  return [
    ...kinds.map((kind, column) => swatch(column, COLOUR[kind], 0.5, `${kind} ${MEANING[kind]}`)),
    swatch(kinds.length, "none", 1.6, "a forward with a backward, overlapped"),
  ];
}

/** Escapes the name of a program, which may be the name of a file. */
function escapeText(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
