// The planner's page: every run in a plot of memory and time, each one click from its timeline, for one's own model.
import { readFileSync } from "node:fs";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect } from "vitest";
import { type PlannedRun, type PlanRequest, parseModelConfig, plan } from "../../src/schedule/index.ts";
import { BROWSER, inBrowser, StudioInBrowser, settled, violations } from "./browser.ts";

const config = readFileSync(new URL("../../examples/plan/llama-8b.json", import.meta.url), "utf8");
const request: PlanRequest = {
  model: parseModelConfig(config),
  sequenceLength: 4096,
  globalBatch: 64,
  numDevices: 8,
  device: {
    ...{ peakFlops: 989e12, efficiency: 0.5, halfRows: 150, memoryBytes: 80e9 },
    link: { latency: 1e-5, bandwidth: 50e9 },
    allReduceBandwidth: 50e9,
  },
};

let studio: StudioInBrowser;
beforeAll(async () => {
  if (BROWSER !== undefined) studio = await StudioInBrowser.start();
});
afterAll(() => studio?.[Symbol.asyncDispose]());

interface Point {
  readonly run: PlannedRun;
  readonly x: number;
  readonly y: number;
  readonly fits: boolean;
  readonly isOnFront: boolean;
}
const pointsOf = async (page: Page) =>
  (await page.evaluate("document.querySelector('.scatter-surface').scatter.points")) as Point[];
const headingOf = (page: Page) => page.getByRole("region", { name: "Picked run" }).locator("h2").innerText();
const stepSeconds = (page: Page) =>
  page.evaluate("document.querySelector('.surface').chart.content.drawn.makespan / 1000") as Promise<number>;
const byTime = (a: PlannedRun, b: PlannedRun) => a.stepSeconds - b.stepSeconds;

inBrowser("draws what the planner says, found in a thread of its own", async () => {
  const page = await studio.open("#/plan?plan=within%3D2000");
  expect(page.workers()).toHaveLength(2);
  const planned = plan(request);
  const points = await pointsOf(page);
  const within = (planned.best[0]?.stepSeconds ?? 0) * 21;
  expect(points.map(({ run }) => run.stepSeconds)).toEqual(
    planned.candidates
      .map((run) => run.stepSeconds)
      .filter((time) => time <= within)
      .sort((a, b) => a - b),
  );
  for (const { run, fits, isOnFront } of points) {
    expect(fits).toBe(run.peakBytes <= 80e9);
    const isBeaten = points.some(
      (other) => other.fits && other.run.peakBytes < run.peakBytes && other.run.stepSeconds < run.stepSeconds,
    );
    if (isOnFront) expect(isBeaten).toBe(false);
  }
  // More time is higher, more memory further to the right.
  for (const [a, b] of points.slice(1).map((point, i) => [points[i]!, point] as const)) {
    expect(a.y).toBeGreaterThanOrEqual(b.y);
    expect(Math.sign(b.x - a.x)).toBe(Math.sign(b.run.peakBytes - a.run.peakBytes));
  }
  const filled = "[...document.querySelectorAll('.scatter path.mark:not(.unfit)')]";
  const marks = (await page.evaluate(
    `${filled}.map((path) => path.getAttribute('d').split('M').length - 1)`,
  )) as number[];
  expect(marks.reduce((sum, count) => sum + count, 0)).toBe(points.filter(({ fits }) => fits).length);
  expect(studio.errors).toEqual([]);
});

inBrowser(
  "a click, or the keyboard alone, shows the timeline of a run; the address restores it",
  async () => {
    const page = await studio.open("#/plan");
    const points = await pointsOf(page);
    const { x, y } = points.filter(({ run }) => run.schedule === "1f1b").at(-1)!;
    const box = (await page.locator(".scatter-surface").boundingBox())!;
    await page.mouse.move(box.x + x, box.y + y);
    const tip = await page.getByRole("tooltip").innerText();
    await page.mouse.click(box.x + x, box.y + y);
    await expect.poll(() => page.url()).toContain("pick");
    // Marks may lie on each other; the one that is shown is the one that the pointer named.
    expect(tip).toContain(await headingOf(page).then((text) => text.replace(":", ",")));

    await page.locator(".scatter-surface").focus();
    for (const key of ["Escape", "ArrowUp", "ArrowUp", "ArrowUp", "ArrowRight", "ArrowLeft", "Enter"])
      await page.keyboard.press(key);
    const spoken = await page.locator(".scatter [aria-live]").innerText();
    await expect
      .poll(() => headingOf(page).then((text) => text.replace(":", ",")))
      .toBe(spoken.split(":")[0]);
    const picked = decodeURIComponent(decodeURIComponent(new URL(page.url()).hash));
    const key = /pick=([\w.]+)/.exec(picked)![1]!;
    const chosen = plan(request).candidates.find(
      (each) => [each.schedule, each.numRanks, each.stagesPerRank, each.microBatchSize].join(".") === key,
    )!;
    await expect.poll(() => stepSeconds(page)).toBeCloseTo(chosen.stepSeconds - chosen.allReduceSeconds, 1);

    const fresh = await studio.open(new URL(page.url()).hash);
    expect(await headingOf(fresh)).toBe(await headingOf(page));
    await page.goBack();
    expect(await headingOf(page)).not.toBe(await headingOf(fresh));
  },
);

inBrowser("says which of two schedules, and what second copies cost and buy", async () => {
  const page = await studio.open("#/plan");
  const { candidates } = plan(request);
  const bestOf = (name: string) =>
    candidates.filter((run) => run.schedule === name && run.peakBytes <= 80e9).toSorted(byTime)[0]!;
  const [dualpipe, interleaved] = [bestOf("dualpipe"), bestOf("interleaved")];
  const verdict = () => page.locator(".verdict").allInnerTexts();
  const saved = 100 * (1 - dualpipe.stepSeconds / interleaved.stepSeconds);
  expect((await verdict())[0]).toContain(`DualPipe: ${saved.toFixed(1)} % less time`);
  // Two ranks hold a stage, and share the optimizer's state with those of the replicas.
  const parameters = dualpipe.parameterBytes / (6 + 12 / (2 * dualpipe.numReplicas));
  expect((await verdict())[1]).toContain(`costs DualPipe ${((parameters / 2) * 6e-9).toPrecision(3)} GB`);
  expect((await verdict())[1]).toContain(`${(100 * dualpipe.bubbleRatio).toFixed(1)} %`);
  expect((await verdict())[2]).toContain("What pairs hide is not counted");

  await page.getByLabel("Second schedule").selectOption("1f1b");
  expect((await verdict())[0]).toContain("against");
  await page.locator("#field-pairShare").fill("0.8");
  // The plan is made in a thread of its own, which has yet to begin.
  await expect.poll(verdict).toHaveLength(2);
  expect(Number(/: ([\d.]+) % less time/.exec((await verdict())[0]!)?.[1])).toBeGreaterThan(10);
  const fresh = await studio.open(new URL(page.url()).hash);
  expect(await fresh.locator(".verdict").allInnerTexts()).toEqual(await verdict());

  await page.getByRole("button", { name: "Both timelines" }).click();
  await expect.poll(() => page.locator(".surface").count()).toBe(2);
  await settled(page);
  expect(await page.getByRole("heading", { name: /^DualPipe: 8 ranks/ }).count()).toBe(1);
  expect(await page.getByRole("heading", { name: /^1F1B/ }).count()).toBe(1);
  expect(studio.errors).toEqual([]);
});

inBrowser("takes one's own model, devices and memory, and explains what is wrong with them", async () => {
  const page = await studio.open("#/plan");
  await page.locator("#field-memory").fill("8");
  await settled(page);
  expect((await page.locator(".verdict").allInnerTexts())[0]).toMatch(/^Neither: DualPipe needs at least/);
  expect((await pointsOf(page)).some(({ fits }) => fits)).toBe(false);
  await page.locator("input[type=file]").setInputFiles({
    name: "config.json",
    mimeType: "application/json",
    buffer: Buffer.from(
      '{"model_type": "gpt2", "n_embd": 1024, "n_layer": 24, "n_head": 16, "vocab_size": 50257}',
    ),
  });
  await expect.poll(() => page.locator("#model").inputValue()).toBe("");
  await settled(page);
  const points = await pointsOf(page);
  expect(points.some(({ fits }) => fits)).toBe(true);
  for (const { run } of points) expect(run.layerCounts.reduce((sum, count) => sum + count, 0)).toBe(24);
  const fresh = await studio.open(new URL(page.url()).hash);
  expect((await pointsOf(fresh)).map(({ run }) => run)).toEqual(points.map(({ run }) => run));

  await page.locator("#field-devices").fill("1.5");
  await expect.poll(() => page.getByRole("alert").innerText()).toContain("Devices must be a number, whole");
  expect(await pointsOf(page)).toHaveLength(points.length);
  await page.locator("#field-devices").fill("8");
  await expect.poll(() => page.getByRole("alert").count()).toBe(0);
  await page.locator("input[type=file]").setInputFiles({
    name: "config.json",
    mimeType: "application/json",
    buffer: Buffer.from('{"model_type": "bert"}'),
  });
  await expect
    .poll(() => page.getByRole("alert").innerText())
    .toContain('model_type "bert" cannot be planned');
  expect(studio.errors).toEqual([]);
});

inBrowser("a run goes to Design as it is, and the table picks runs too", async () => {
  const page = await studio.open("#/plan");
  await page.getByRole("button", { name: "Show the table" }).click();
  const row = page.getByRole("row", { name: /^ZBV/ }).first();
  await row.getByRole("button").click();
  await expect.poll(() => headingOf(page)).toMatch(/^ZBV: /);
  expect(await row.getAttribute("aria-current")).toBe("true");
  await settled(page);
  const planned = await stepSeconds(page);
  await page.getByRole("button", { name: "Open in Design" }).click();
  await expect.poll(() => page.locator("#schedule").inputValue()).toBe("zbv");
  await settled(page);
  await expect.poll(() => stepSeconds(page)).toBe(planned);
  expect(await page.locator(".summary tr", { hasText: "Memory" }).locator("td").innerText()).toMatch(
    /^[\d.]+$/,
  );
});

inBrowser("has no violation of accessibility in either theme, and fits a small screen", async () => {
  for (const dark of [false, true]) {
    const page = await studio.open("#/plan", { dark });
    expect(await violations(page)).toEqual([]);
    await page.getByRole("button", { name: "Show the table" }).click();
    expect(await violations(page)).toEqual([]);
  }
  const small = await studio.open("#/plan", { width: 380, height: 700 });
  expect(await small.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(380);
});
