/** A step as the files that people and other programs read. */
import {
  chromeTrace,
  formatAction,
  formatProgramCsv,
  type Program,
  timelineSvg,
} from "../../schedule/index.ts";
import type { LoadedStep } from "../session.ts";

/** The kinds of files, with what reads them. */
export const EXPORTS = {
  csv: { label: "CSV", reader: "torch.distributed.pipelining, dualpipe train" },
  json: { label: "JSON", reader: "this page, programs of your own" },
  svg: { label: "SVG", reader: "papers, browsers" },
  trace: { label: "Chrome trace", reader: "Perfetto" },
} as const;

export type ExportKind = keyof typeof EXPORTS;

export interface ExportedFile {
  readonly name: string;
  readonly type: string;
  readonly text: string;
}

/** The word with which a file of the page names itself. */
export const FILE_KIND = "dualpipe-studio-step";

/** A step as a file. @param address The view as what follows the `#` of its address. */
export function exportStep(kind: ExportKind, { result, drawn }: LoadedStep, address: string): ExportedFile {
  const stem = `${result.schedule.replace(/[^\w-]+/g, "-")}-${result.numRanks}x${result.numMicroBatches}`;
  switch (kind) {
    case "csv":
      return {
        name: `${stem}.csv`,
        type: "text/csv",
        text: formatProgramCsv(computationsOf({ result, drawn })),
      };
    case "json":
      return { name: `${stem}.json`, type: "application/json", text: stepJson({ result, drawn }, address) };
    case "svg":
      return { name: `${stem}.svg`, type: "image/svg+xml", text: timelineSvg(drawn.timeline) };
    case "trace":
      return {
        name: `${stem}.trace.json`,
        type: "application/json",
        text: JSON.stringify(chromeTrace(drawn.timeline)),
      };
    default:
      return kind satisfies never;
  }
}

type Step = Pick<LoadedStep, "result" | "drawn">;

/** The program of a step, without its communication. */
export function computationsOf({ result, drawn }: Step): Program {
  const { schedule, numRanks, numStages, numMicroBatches, placement } = result;
  const sizes = { numRanks, numStages, numMicroBatches };
  const ranks = drawn.timeline.ranks.map(({ actions }) => actions);
  return { schedule, ...sizes, forwardOnly: false, communication: "none", placement, ranks };
}

function stepJson({ result, drawn }: Step, address: string): string {
  const { schedule, numRanks, numStages, numMicroBatches, makespan, bubbleRatio, bubbleCauses } = result;
  const file = {
    kind: FILE_KIND,
    version: 1,
    view: address,
    ...{ schedule, numRanks, numStages, numMicroBatches, makespan, bubbleRatio, bubbleCauses },
    peakActivations: result.peakActivations,
    ranks: drawn.timeline.ranks.map((track) =>
      Array.from(track, ({ action, startMs, endMs }) => [formatAction(action), startMs, endMs]),
    ),
  };
  return JSON.stringify(file);
}
