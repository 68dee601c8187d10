/*
 * A view is everything that a person has chosen on the page. Its address is the view as text behind the `#`, so that a
 * bookmark, a link in a paper, a reload and the back button all restore it, also where the page is a static file.
 * Whatever equals the default is left out, so that addresses stay short. What cannot be read falls back to the default:
 * an address is typed and cut off by people.
 */
import { DIFFERENCES, type DifferenceKind } from "../chart/differences.ts";
import { DEFAULT_PLAN, PLAN_KEYS, type PlanTexts, type PlanView, WITHIN_MAX } from "../plan/plan-settings.ts";
import { COST_KEYS, DEFAULT_SETTINGS, MEMORY_KEYS, type StepSettings } from "./settings.ts";

export const PAGES = ["design", "plan", "compare", "explain", "edit", "run"] as const;
export type Page = (typeof PAGES)[number];

/** What Compare can outline. */
export const MARKED = [...DIFFERENCES, "none"] as const;

export interface View {
  readonly page: Page;
  readonly settings: StepSettings;
  /** Further steps to compare with. */
  readonly others: readonly StepSettings[];
  /** Where Explain stands, in the unit of the costs. */
  readonly time: number;
  readonly plan: PlanView;
  /** The measured steps to compare with: of files, and `run:0` for the newest of a run that the server follows. */
  readonly traces: readonly string[];
  /** Whether Compare leaves out the step of the Design page, so that others are compared among themselves. */
  readonly omitsOwn: boolean;
  /** Which differing blocks Compare outlines. */
  readonly mark: DifferenceKind | "none";
  /** The run that the Run page shows, of those that the server follows. */
  readonly run: number;
}

const DEFAULT_VIEW: View = {
  page: "design",
  settings: DEFAULT_SETTINGS,
  others: [],
  time: 0,
  plan: DEFAULT_PLAN,
  traces: [],
  omitsOwn: false,
  mark: "order",
  run: 0,
};

/** The view as what follows the `#` of the address. */
export function formatView(view: View): string {
  const { page, settings, others, time, plan, traces, omitsOwn, mark, run } = view;
  const query = formatSettings(settings);
  for (const other of others) query.append("with", formatSettings(other).toString());
  if (time > 0) query.set("time", String(time));
  const planText = formatPlan(plan);
  if (planText !== "") query.set("plan", planText);
  for (const trace of traces) query.append("trace", trace);
  if (omitsOwn) query.set("own", "0");
  if (mark !== DEFAULT_VIEW.mark) query.set("mark", mark);
  if (run !== 0) query.set("run", String(run));
  const text = query.toString();
  return `/${page}${text === "" ? "" : `?${text}`}`;
}

/** Reads what follows the `#` of an address, with or without it. */
export function parseView(hash: string): View {
  const [path = "", query = ""] = splitOnce(hash.replace(/^#/, ""), "?");
  const page = PAGES.find((each) => `/${each}` === path) ?? DEFAULT_VIEW.page;
  const own = new URLSearchParams(query);
  const others = own.getAll("with").map((text) => parseSettings(new URLSearchParams(text)));
  const time = Number(own.get("time") ?? 0);
  return {
    page,
    settings: parseSettings(own),
    others,
    time: time > 0 && time < Infinity ? time : 0,
    plan: parsePlan(new URLSearchParams(own.get("plan") ?? "")),
    traces: own.getAll("trace"),
    omitsOwn: own.get("own") === "0",
    mark: MARKED.find((each) => each === own.get("mark")) ?? DEFAULT_VIEW.mark,
    run: /^[0-9]$/.test(own.get("run") ?? "") ? Number(own.get("run")) : 0,
  };
}

function splitOnce(text: string, separator: string): string[] {
  const at = text.indexOf(separator);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

const COUNTS = {
  numRanks: "ranks",
  numMicroBatches: "micro-batches",
  stagesPerRank: "stages-per-rank",
} as const;

function formatSettings(settings: StepSettings): URLSearchParams {
  const query = new URLSearchParams();
  if (settings.schedule !== DEFAULT_SETTINGS.schedule) query.set("schedule", settings.schedule);
  for (const [key, name] of Object.entries(COUNTS) as [keyof typeof COUNTS, string][])
    if (settings[key] !== DEFAULT_SETTINGS[key]) query.set(name, String(settings[key]));
  for (const key of COST_KEYS) if (settings.costs[key] !== undefined) query.set(key, settings.costs[key]);
  for (const key of MEMORY_KEYS) if (settings.memory[key] !== undefined) query.set(key, settings.memory[key]);
  for (const link of settings.links) query.append("edge", link);
  if (settings.whole) query.set("whole", "1");
  if (settings.order === "reference") query.set("order", "reference");
  for (const stall of settings.stalls) query.append("stall", stall);
  for (const slow of settings.slowStages) query.append("slow", slow);
  if (settings.separatesPairs) query.set("pairs", "separate");
  if (settings.program !== undefined) query.set("program", settings.program);
  return query;
}

function parseSettings(query: URLSearchParams): StepSettings {
  const count = (key: keyof typeof COUNTS) => {
    const text = query.get(COUNTS[key]);
    return text !== null && /^\d{1,6}$/.test(text) ? Number(text) : DEFAULT_SETTINGS[key];
  };
  const texts = <Key extends string>(keys: readonly Key[]) =>
    Object.fromEntries(keys.flatMap((key) => (query.has(key) ? [[key, query.get(key)!]] : []))) as Partial<
      Record<Key, string>
    >;
  const program = query.get("program");
  return {
    schedule: query.get("schedule") ?? DEFAULT_SETTINGS.schedule,
    numRanks: count("numRanks"),
    numMicroBatches: count("numMicroBatches"),
    stagesPerRank: count("stagesPerRank"),
    costs: texts(COST_KEYS),
    memory: texts(MEMORY_KEYS),
    links: query.getAll("edge"),
    whole: query.get("whole") === "1",
    order: query.get("order") === "reference" ? "reference" : "eager",
    stalls: query.getAll("stall"),
    slowStages: query.getAll("slow"),
    separatesPairs: query.get("pairs") === "separate",
    ...(program === null ? {} : { program }),
  };
}

function formatPlan({ texts, pick, between, within }: PlanView): string {
  const query = new URLSearchParams();
  for (const key of PLAN_KEYS) if (texts[key] !== undefined) query.set(key, texts[key]);
  if (between.join() !== DEFAULT_PLAN.between.join())
    for (const name of between) query.append("between", name);
  if (within !== DEFAULT_PLAN.within) query.set("within", String(within));
  if (pick !== undefined) query.set("pick", pick);
  return query.toString();
}

function parsePlan(query: URLSearchParams): PlanView {
  const texts = Object.fromEntries(
    PLAN_KEYS.flatMap((key) => (query.has(key) ? [[key, query.get(key)!]] : [])),
  );
  const between = query.getAll("between");
  const within = Number(query.get("within") ?? DEFAULT_PLAN.within);
  const pick = query.get("pick");
  return {
    texts: texts as PlanTexts,
    between: between.length === 2 ? [between[0]!, between[1]!] : DEFAULT_PLAN.between,
    within: within > 0 && within <= WITHIN_MAX ? within : DEFAULT_PLAN.within,
    ...(pick === null ? {} : { pick }),
  };
}
