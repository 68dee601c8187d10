/** Reads what a person drops on the page: a program, a view, the costs of a run, or a measured step. */
import {
  parseProfile,
  parseProgramCsv,
  readChromeTrace,
  ScheduleError,
  type Timeline,
} from "../../schedule/index.ts";
import type { StepSettings } from "../view/settings.ts";
import { parseView, type View } from "../view/view.ts";
import { FILE_KIND } from "./export-step.ts";

/** What a file is for the page. */
export type Imported =
  | { readonly kind: "settings"; readonly settings: StepSettings }
  | { readonly kind: "view"; readonly view: View }
  | { readonly kind: "timeline"; readonly timeline: Timeline };

const SIZE_MAX = 64e6;

/**
 * Reads a file. @param current The settings that a file of a program or of costs changes.
 * @throws ScheduleError that says what the file must be
 */
export function importFile(name: string, text: string, current: StepSettings): Imported {
  if (text.length > SIZE_MAX) fail(name, `${Math.round(text.length / 1e6)} MB`);
  if (/^\s*[[{]/.test(text)) return importJson(name, text, current);
  if (!/\.csv$/i.test(name) && !/^\s*"?[\d(]/.test(text)) fail(name, JSON.stringify(text.slice(0, 30)));
  const schedule = name.replace(/\.csv$/i, "");
  parseProgramCsv(text, schedule);
  return { kind: "settings", settings: { ...current, schedule, program: text } };
}

function importJson(name: string, text: string, current: StepSettings): Imported {
  let value: Readonly<Record<string, unknown>>;
  try {
    value = JSON.parse(text) as Readonly<Record<string, unknown>>;
  } catch {
    fail(name, "JSON that cannot be read");
  }
  if (value.kind === FILE_KIND && typeof value.view === "string")
    return { kind: "view", view: parseView(value.view) };
  if ("traceEvents" in value) return { kind: "timeline", timeline: readChromeTrace(value) };
  if ("stepMs" in value) return { kind: "settings", settings: settingsOfProfile(text, current) };
  const keys = Object.keys(value).slice(0, 5).join(", ");
  fail(name, `JSON with ${keys === "" ? "no keys" : `the keys ${keys}`}`);
}

/** The sizes and the costs of a profile of `dualpipe train --profile`. */
function settingsOfProfile(text: string, current: StepSettings): StepSettings {
  const { schedule, numRanks, numMicroBatches, numStages, F, I, W, pairShare, link } = parseProfile(text);
  const { program: _, ...rest } = current;
  const list = (values: readonly number[]) => values.map((value) => Number(value.toPrecision(4))).join("/");
  return {
    ...rest,
    schedule,
    numRanks,
    numMicroBatches,
    stagesPerRank: Math.max(1, Math.floor(numStages / numRanks)),
    costs: { F: list(F), I: list(I), W: list(W), pairShare: list([pairShare]), link: String(link.latency) },
  };
}

function fail(name: string, given: string): never {
  throw new ScheduleError(
    "INVALID_CSV",
    `file ${name}: must be a program in CSV of torch.distributed.pipelining, a JSON file of this page, a profile of ` +
      `dualpipe train or a Chrome trace; got ${given}; choose another file`,
  );
}
