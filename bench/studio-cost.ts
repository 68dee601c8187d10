/*
 * What the studio costs the run that it shows: `npm run bench -- studio-cost [--rounds N] [--steps N]`.
 *
 * It trains the same configuration without `--studio`, and with it and a client that loads the page and follows the
 * run's events, in turn, each as a process of its own from its start to its end. With `--browser` a real page is open
 * on the same host, whose own work competes with the run for the cores. The first run of a round alternates, because
 * a machine gets slower and faster. A process says at its exit how much CPU time it has used, user and system, of all
 * its threads; the browser is not part of it. On a machine that others use, wall time says little and CPU time more,
 * so the spread is printed as well: the median of the rounds' ratios and the middle half of them. `--null` compares
 * the run with itself, which says what the ratio can resolve.
 *
 * All of the studio but the collection of timelines, one step of twenty, is in the main thread, which hardly computes
 * otherwise. What that thread takes more, as a share of the run's CPU time, is a figure that the noise of the ranks
 * does not reach.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { type Browser, chromium } from "playwright-core";
import { orderedWords } from "./ordered-words.ts";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

/** Runs in the process that is measured, also in its rank threads, which must not write. */
const REPORT_AT_EXIT = `
import { readFileSync, writeFileSync } from "node:fs";
import { isMainThread } from "node:worker_threads";
if (isMainThread) process.on("exit", () => {
  const { userCPUTime, systemCPUTime } = process.resourceUsage();
  // Nanoseconds on a core, of the main thread alone, in which the server and the listeners run.
  const mainSeconds = Number(readFileSync("/proc/self/task/" + process.pid + "/schedstat", "utf8").split(" ")[0]) / 1e9;
  const cpuSeconds = (userCPUTime + systemCPUTime) / 1e6;
  writeFileSync(process.env.DUALPIPE_BENCH_USAGE, JSON.stringify({ cpuSeconds, mainSeconds }));
});`;

interface Use {
  readonly cpuSeconds: number;
  /** The main thread's part of `cpuSeconds`. */
  readonly mainSeconds: number;
  readonly wallSeconds: number;
}

/** Measures it and prints the ratios. @returns The exit status. */
export async function main(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: "string", default: "8" },
      steps: { type: "string", default: "200" },
      browser: { type: "boolean", default: false },
      null: { type: "boolean", default: false },
    },
  });
  const folder = mkdtempSync(join(tmpdir(), "dualpipe-studio-cost-"));
  const browser = values.browser
    ? await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] })
    : undefined;
  try {
    const config = orderedWords(folder, Number(values.steps));
    writeFileSync(join(folder, "usage.mjs"), REPORT_AT_EXIT);
    const pairs: { plain: Use; studio: Use }[] = [];
    for (let round = 0; round < Number(values.rounds); round++) {
      const isPlainFirst = round % 2 === 0;
      const first = await runOnce(folder, config, browser, !isPlainFirst && !values.null);
      const second = await runOnce(folder, config, browser, isPlainFirst && !values.null);
      const pair = isPlainFirst ? { plain: first, studio: second } : { plain: second, studio: first };
      pairs.push(pair);
      console.error(
        `dualpipe: round ${round + 1}: CPU ${pair.plain.cpuSeconds.toFixed(2)} s without, ${pair.studio.cpuSeconds.toFixed(2)} s with`,
      );
    }
    console.log(
      `${cpus()[0]?.model ?? "unknown"}, ${availableParallelism()} cores, Node ${process.versions.node}`,
    );
    console.log(
      `${pairs.length} rounds of ${values.steps} steps, ${values.null ? "both without" : "with --studio and a page that follows it, and without"}`,
    );
    for (const [name, key] of [
      ["CPU time", "cpuSeconds"],
      ["wall time", "wallSeconds"],
    ] as const)
      console.log(
        describe(
          name,
          pairs.map(({ plain }) => plain[key]),
          pairs.map(({ studio }) => studio[key]),
        ),
      );
    console.log(describeMain(pairs));
  } finally {
    await browser?.close();
    rmSync(folder, { recursive: true, force: true });
  }
  return 0;
}

/** Trains once; with the studio, a page is open until the run ends. */
async function runOnce(
  folder: string,
  config: string,
  browser: Browser | undefined,
  hasStudio: boolean,
): Promise<Use> {
  const usage = join(folder, "usage.json");
  const preload = pathToFileURL(join(folder, "usage.mjs")).href;
  const start = performance.now();
  const child = spawn(
    process.execPath,
    ["--import", preload, MAIN, "train", config, "--overwrite", ...(hasStudio ? ["--studio"] : [])],
    {
      env: { ...process.env, DUALPIPE_BENCH_USAGE: usage, OMP_NUM_THREADS: "1", OPENBLAS_NUM_THREADS: "1" },
      stdio: ["ignore", "ignore", "pipe"],
    },
  );
  const page = hasStudio ? await browser?.newPage() : undefined;
  let followed: Promise<string> | undefined;
  let stderr = "";
  let isOpened = false;
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
    const address = /dualpipe studio: open (\S+)/.exec(stderr)?.[1];
    if (address === undefined || isOpened) return;
    isOpened = true;
    if (page) page.goto(address).catch(() => {});
    else followed = followEvents(address);
  });
  const status = await new Promise((resolve) => child.once("close", resolve));
  const wallSeconds = (performance.now() - start) / 1000;
  if (status !== 0) throw new Error(`dualpipe: the run ended with ${status}:\n${stderr}`);
  if (page !== undefined) {
    // A page that was not served would cost nothing.
    const shown = await page.locator(".connection").innerText();
    if (shown !== "the run has ended")
      throw new Error(`dualpipe: the page has not followed the run: ${shown}`);
    await page.close();
  }
  // A client that was not served would cost nothing.
  if (followed && !(await followed).includes('"kind":"end"'))
    throw new Error("dualpipe: the events of the run did not reach its end");
  return { ...(JSON.parse(readFileSync(usage, "utf8")) as Omit<Use, "wallSeconds">), wallSeconds };
}

/** Loads the page's files and takes the events. @returns The last of them. */
async function followEvents(address: string): Promise<string> {
  const html = await (await fetch(address)).text();
  for (const [, path] of html.matchAll(/(?:src|href)="\.(\/[^"]+)"/g))
    await (await fetch(new URL(path!, address))).arrayBuffer();
  let last = "";
  const { body } = await fetch(new URL("run/0/events", address));
  try {
    for await (const part of body!) last = (last + Buffer.from(part).toString()).slice(-100_000);
  } catch {
    // The process is gone; what came until then says whether it had ended.
  }
  return last;
}

/** What the main thread takes more, in the median round, as a share of the run's CPU time. */
function describeMain(pairs: readonly { readonly plain: Use; readonly studio: Use }[]): string {
  const more = pairs.map(({ plain, studio }) => studio.mainSeconds - plain.mainSeconds).sort((a, b) => a - b);
  const cpuSeconds = pairs.map(({ plain }) => plain.cpuSeconds).sort((a, b) => a - b);
  const [median, of] = [more[more.length >> 1]!, cpuSeconds[cpuSeconds.length >> 1]!];
  const range = `${more[0]!.toFixed(3)} to ${more.at(-1)!.toFixed(3)} s`;
  return `main thread: ${median.toFixed(3)} s more in the median round (${range}), ${((100 * median) / of).toFixed(2)} % of the run's ${of.toFixed(1)} s`;
}

/** The median of the ratios of the rounds, and their quartiles. */
function describe(name: string, plain: readonly number[], studio: readonly number[]): string {
  const ratios = studio.map((value, i) => value / plain[i]!).sort((a, b) => a - b);
  const at = (share: number) => ratios[Math.min(ratios.length - 1, Math.floor(share * ratios.length))]!;
  const percent = (ratio: number) => `${(100 * (ratio - 1)).toFixed(2)} %`;
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  return `${name}: ${percent(at(0.5))} more in the median round (middle half ${percent(at(0.25))} to ${percent(at(0.75))}); ${percent(sum(studio) / sum(plain))} more in all`;
}
