/**
 * How long `npm start` takes: said before it begins, and by every step that lasts longer than a few seconds.
 *
 * Times are those of a machine with two cores and a fast network. The addon and the training use all cores, at most as
 * many as there are ranks; the rest does not. What was measured on this machine before is better than any table, so the
 * metrics of the example's last run decide over the table.
 */
import { existsSync, readFileSync } from "node:fs";
import { availableParallelism, loadavg } from "node:os";
import { dirname, join } from "node:path";

const REPORT_EVERY_MS = 15_000;

/** The seconds of each step of the set-up. */
export const SECONDS = {
  packages: 20,
  typescript: 10,
  system: 90,
  /** As src/native/build-progress.ts estimates it, which cannot be imported before it is compiled. */
  addon: 30 + 150 / availableParallelism(),
};

/** One core would need this long for a step of the example, whose ranks are four threads. */
const CORE_SECONDS_PER_STEP = 0.44;
const NUM_RANKS = 4;
const DEFAULT_STEPS = 500;
/** Reading the text, starting the ranks, validations and the sample. */
const SECONDS_AROUND_STEPS = 10;

/** Seconds as people say them: "40 s", "2 min", "1 h 10 min". */
export function inWords(seconds) {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/**
 * What comes, and how long it takes. Other programs that run now are taken to go on, and to get their share.
 * @param steps Pairs of a name and seconds.
 * @param load The number of threads of other programs that run.
 */
export function openingLine(steps, load = loadavg()[0]) {
  const cores = availableParallelism();
  const slowdown = load > 0.5 * cores ? 1 + load / cores : 1;
  const total = steps.reduce((sum, [, seconds]) => sum + seconds, 0);
  const parts = steps.map(([name, seconds]) => `${name} ${inWords(slowdown * seconds)}`);
  const where = `${countOf(cores, "core")}${slowdown > 1 ? ", which other programs are using" : ""}`;
  return `this takes about ${inWords(slowdown * total)} on ${where}: ${parts.join(", ")}`;
}

function countOf(count, noun) {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/**
 * The seconds that the example's training takes with these arguments; undefined when they make it another model.
 * @param metricsPath The metrics of the last run with the example's own settings.
 */
export function trainingSeconds(args, metricsPath) {
  const values = args.flatMap((arg, i) =>
    args[i - 1] === "--set" ? [arg] : (/^--set=(.*)$/.exec(arg)?.[1] ?? []),
  );
  let numSteps = DEFAULT_STEPS;
  for (const value of values) {
    const [key, text] = value.split("=");
    if (key === "training.steps" && Number(text) > 0) numSteps = Number(text);
    else if (!/^(training\.seed|output\.\w+|sample\.\w+|checkpoint\.\w+)$/.test(key)) return undefined;
  }
  const perStep =
    measuredSeconds(metricsPath) ?? CORE_SECONDS_PER_STEP / Math.min(NUM_RANKS, availableParallelism());
  return SECONDS_AROUND_STEPS + numSteps * perStep;
}

/** Lines of the example's configuration that the time of a step depends on. */
const SETTINGS = ["schedule: dualpipe", "ranks: 4", "hiddenSize: 128", "numLayers: 8", "microBatchSize: 2"];

/** The seconds of a step in an earlier run with the example's settings; undefined when there was none. */
function measuredSeconds(metricsPath) {
  if (!existsSync(metricsPath)) return undefined;
  try {
    const config = readFileSync(join(dirname(metricsPath), "config.yaml"), "utf8").split("\n");
    if (!SETTINGS.every((setting) => config.some((line) => line.trim() === setting))) return undefined;
    const lines = readFileSync(metricsPath, "utf8").trim().split("\n");
    const { step, elapsedSeconds } = lines
      .map((line) => JSON.parse(line))
      .findLast(({ kind }) => kind === "train");
    return elapsedSeconds / step;
  } catch {
    return undefined;
  }
}

/** Says every few seconds how long a step has taken, until it is stopped. */
export class StepClock {
  #timer;

  /** @param print Called with a line. */
  constructor(what, seconds, print, everyMs = REPORT_EVERY_MS) {
    const startMs = performance.now();
    print(`${what}: about ${inWords(seconds)}`);
    this.#timer = setInterval(() => {
      const elapsed = (performance.now() - startMs) / 1000;
      const left = elapsed < seconds ? `about ${inWords(seconds - elapsed)} left` : "longer than usual";
      print(`${what}: ${inWords(elapsed)} so far, ${left}`);
    }, everyMs);
    this.#timer.unref();
  }

  stop() {
    clearInterval(this.#timer);
  }
}
