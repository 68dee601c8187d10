/*
 * What the page knows: the view that a person has chosen, and the step that the worker made of it. Everything else on
 * the page follows from these signals. The view and the address are two sides of one thing: a change of the one is a
 * change of the other. A slider that is dragged changes one entry of the browser's history, not a hundred.
 */

import { computed, type ReadonlySignal, type Signal, signal } from "@preact/signals";
import type { Problem, Timeline } from "../schedule/index.ts";
import { DrawnStep } from "./chart/drawn-step.ts";
import type { Theme } from "./chart/palette.ts";
import { BlockFinder } from "./chart/relations.ts";
import { Traces } from "./files/traces.ts";
import type { PlanView } from "./plan/plan-settings.ts";
import type { Planner } from "./plan/planner.ts";
import type { RunStore } from "./run/run-store.ts";
import type { StepSettings } from "./view/settings.ts";
import { formatView, parseView, type View } from "./view/view.ts";
import { resultOfTimeline } from "./worker/measured-step.ts";
import { type StepResult, timelineOfResult } from "./worker/step-result.ts";
import type { WorkerClient } from "./worker/worker-client.ts";

/** A step that was simulated, ready to be drawn and asked. */
export interface LoadedStep {
  readonly result: StepResult;
  readonly drawn: DrawnStep;
  readonly finder: BlockFinder;
}

/** Prepares a result of the worker for the page. */
export function loadStep(result: StepResult): LoadedStep {
  const drawn = new DrawnStep(timelineOfResult(result));
  return { result, drawn, finder: new BlockFinder(drawn) };
}

const loadedTimelines = new WeakMap<Timeline, LoadedStep>();

/** A measured timeline, with the numbers that follow from it; each is loaded once. */
export function loadTimeline(timeline: Timeline): LoadedStep {
  const loaded = loadedTimelines.get(timeline) ?? loadStep(resultOfTimeline(timeline));
  loadedTimelines.set(timeline, loaded);
  return loaded;
}

/** Browsers slow down pages that change their address more often than a few times a second. */
const ADDRESS_MS = 250;

const THEME_KEY = "dualpipe-studio-theme";

export class Session {
  readonly view: Signal<View>;
  readonly theme: Signal<Theme>;
  /** The newest step; it stays while settings are wrong. */
  readonly step = signal<LoadedStep | undefined>(undefined);
  readonly problem = signal<string | undefined>(undefined);
  /** What the verifier found, where a program is the problem. */
  readonly problems = signal<readonly Problem[]>([]);
  /** Whether the worker is busy with newer settings than those of `step`. */
  readonly isBusy = signal(true);
  /** Measured steps that were opened from files. */
  readonly traces = new Traces();
  readonly settings: ReadonlySignal<StepSettings>;
  readonly client: WorkerClient;
  readonly planner: Planner;
  /** The runs that the server follows. */
  readonly runs: readonly RunStore[];
  readonly #window: Window;
  #lastControl: string | undefined;
  #addressTimer: number | undefined;

  constructor(window: Window, client: WorkerClient, planner: Planner, runs: readonly RunStore[]) {
    this.planner = planner;
    this.runs = runs;
    this.#window = window;
    this.client = client;
    this.view = signal(parseView(window.location.hash));
    this.theme = signal(this.#firstTheme());
    this.settings = computed(() => this.view.value.settings);
    window.addEventListener("hashchange", () => {
      this.#lastControl = undefined;
      window.clearTimeout(this.#addressTimer);
      this.#addressTimer = undefined;
      this.view.value = parseView(window.location.hash);
    });
    this.settings.subscribe((settings) => this.#simulate(settings));
  }

  /** Changes the view. @param control What was used; repeated changes by one control are one step back. */
  navigate(view: View, control: string): void {
    if (control !== this.#lastControl) {
      this.#writeAddress();
      this.#window.history.pushState(null, "", `#${formatView(view)}`);
    } else {
      this.#addressTimer ??= this.#window.setTimeout(() => this.#writeAddress(), ADDRESS_MS);
    }
    this.#lastControl = control;
    this.view.value = view;
  }

  /** Brings the address up to date with repeated changes by one control. */
  #writeAddress(): void {
    if (this.#addressTimer === undefined) return;
    this.#window.clearTimeout(this.#addressTimer);
    this.#addressTimer = undefined;
    this.#window.history.replaceState(null, "", `#${formatView(this.view.value)}`);
  }

  change(change: Partial<StepSettings>, control: string): void {
    const view = this.view.value;
    this.navigate({ ...view, settings: { ...view.settings, ...change } }, control);
  }

  changePlan(change: Partial<PlanView>, control: string): void {
    const view = this.view.value;
    this.navigate({ ...view, plan: { ...view.plan, ...change } }, `plan ${control}`);
  }

  setTheme(theme: Theme): void {
    this.theme.value = theme;
    try {
      this.#window.localStorage.setItem(THEME_KEY, theme);
    } catch {
      // A browser may forbid it; the theme then lasts until the page is closed.
    }
  }

  #simulate(settings: StepSettings): void {
    this.isBusy.value = true;
    this.client.ask("step", settings, (answer, isLast) => {
      if (settings !== this.settings.value) return;
      this.isBusy.value = !isLast;
      if ("step" in answer) this.step.value = loadStep(answer.step);
      this.problems.value = "step" in answer ? [] : (answer.problems ?? []);
      this.problem.value = "step" in answer ? undefined : answer.problem;
    });
  }

  #firstTheme(): Theme {
    let stored: string | null = null;
    try {
      stored = this.#window.localStorage.getItem(THEME_KEY);
    } catch {
      // As above.
    }
    if (stored === "dark" || stored === "light") return stored;
    return this.#window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  }
}
