// What-if, Compare, Explain, and files, as a person uses them.
import { readFile } from "node:fs/promises";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect } from "vitest";
import {
  buildProgram,
  chromeTrace,
  formatProgramCsv,
  lower,
  parseProgramCsv,
  simulate,
  UNIT_COST,
} from "../../src/schedule/index.ts";
import { BROWSER, inBrowser, paintedBlocks, StudioInBrowser, settled, violations } from "./browser.ts";

let studio: StudioInBrowser;
beforeAll(async () => {
  if (BROWSER !== undefined) studio = await StudioInBrowser.start();
});
afterAll(() => studio?.[Symbol.asyncDispose]());

const stepOf = (page: Page) => page.locator(".summary tr", { hasText: "Step" }).locator("td").innerText();

const upload = (page: Page, name: string, text: string) =>
  page.locator("input[type=file]").setInputFiles({ name, mimeType: "text/plain", buffer: Buffer.from(text) });

async function download(page: Page, name: string): Promise<string> {
  const [saved] = await Promise.all([
    page.waitForEvent("download"),
    page.locator(".files").getByRole("button", { name, exact: true }).click(),
  ]);
  return readFile((await saved.path())!, "latin1");
}

inBrowser("what if a rank stood still, a stage were slow, and pairs did not overlap", async () => {
  const page = await studio.open("#/design?FB=2.5");
  const undisturbed = Number(await stepOf(page));
  await page.locator("summary", { hasText: "What if" }).click();
  await page.getByRole("button", { name: "Add the stall" }).click();
  await settled(page);
  const stalled = Number(await stepOf(page));
  expect(stalled).toBeGreaterThan(undisturbed);
  const blocks = await paintedBlocks(page);
  expect(blocks.filter(({ rank, start }) => rank === 0 && start >= 10 && start < 15)).toEqual([]);
  const fresh = await studio.open(new URL(page.url()).hash);
  expect(Number(await stepOf(fresh))).toBe(stalled);
  await page.getByRole("button", { name: /^Remove: rank 0/ }).click();
  await settled(page);
  expect(Number(await stepOf(page))).toBe(undisturbed);
  await page.getByRole("button", { name: "Add the slow stage" }).click();
  await settled(page);
  expect(Number(await stepOf(page))).toBeGreaterThan(undisturbed);
  await page.getByRole("button", { name: /^Remove: stage 0/ }).click();
  await page.getByRole("checkbox", { name: /pairs did not overlap/ }).check();
  await settled(page);
  expect((await paintedBlocks(page)).some(({ isPaired }) => isPaired)).toBe(false);
  expect(Number(await stepOf(page))).toBeGreaterThan(undisturbed);
  expect(studio.errors).toEqual([]);
});

inBrowser("compare puts schedules for one model on one clock", async () => {
  const page = await studio.open("#/compare?micro-batches=16");
  await page.getByRole("button", { name: "Add a schedule" }).click();
  await page.locator("#other-0").selectOption("interleaved");
  await expect.poll(() => page.locator(".surface").count()).toBe(2);
  await settled(page);
  const scales = "[...document.querySelectorAll('.surface')].map(({ chart }) => chart.camera.scale)";
  await expect.poll(async () => new Set((await page.evaluate(scales)) as number[]).size).toBe(1);
  const time = page.getByRole("row", { name: /^Per micro-batch/ });
  const simulated = (name: string, cost: number, stagesPerRank?: number) => {
    const sizes = { numRanks: 8, numMicroBatches: 16, stagesPerRank };
    const costs = { ...UNIT_COST, F: cost, I: cost, W: cost };
    return String(Number((simulate(lower(buildProgram(name, sizes)), costs).makespan / 16).toPrecision(4)));
  };
  const cells = await time.locator("td").allInnerTexts();
  expect(cells[0]).toBe(simulated("dualpipe", 1));
  expect(cells[1]).toContain(simulated("interleaved", 0.5, 2));
  expect(await page.locator(".stage .note").first().innerText()).toMatch(
    /needs .* less time .*parameter twice/,
  );
  expect(await page.locator(".stage .note").last().innerText()).toContain("16 stages instead of 8");
  // Zooming one zooms the other.
  await page.locator(".surface").first().focus();
  await page.keyboard.press("+");
  await expect.poll(async () => new Set((await page.evaluate(scales)) as number[]).size).toBe(1);
  const fresh = await studio.open(new URL(page.url()).hash);
  await expect.poll(() => fresh.locator(".surface").count()).toBe(2);
  await page.goBack();
  await page.goBack();
  await expect.poll(() => page.locator(".surface").count()).toBe(1);
});

inBrowser("explain plays the step and names the eight parts of DualPipe as they pass", async () => {
  const page = await studio.open("#/explain");
  const current = () => page.locator(".parts li.current strong").allInnerTexts();
  // The ranks in the middle have no first part.
  expect((await current()).map((text) => text.replace(/\s+/, " "))).toEqual(["1 nF0", "2 nF0F1"]);
  const surface = page.locator(".surface");
  await surface.focus();
  const seen = new Set<string>();
  for (let i = 0; i < 140; i++) {
    for (const name of await current()) seen.add(name[0]!);
    await page.keyboard.press("ArrowRight");
  }
  expect([...seen].sort()).toEqual(["1", "2", "3", "4", "5", "6", "7", "8"]);
  await page.keyboard.press("ArrowLeft");
  await expect.poll(() => page.url()).toMatch(/time=/);
  await page.getByRole("slider", { name: "Time", exact: true }).fill("30");
  expect(await current()).toHaveLength(1);
  await page.keyboard.press("Tab");
  await surface.focus();
  await page.keyboard.press(" ");
  expect(await page.getByRole("button", { name: "Pause" }).count()).toBe(1);
  await expect.poll(async () => Number(/time=([\d.]+)/.exec(page.url())?.[1])).toBeGreaterThan(30.05);
  await page.keyboard.press(" ");
  await page.locator("#schedule").selectOption("1f1b");
  await settled(page);
  expect((await page.locator(".parts li strong").allInnerTexts())[1]).toBe("steady state");
});

inBrowser("files come out as they were put in", async () => {
  const page = await studio.open("#/design?schedule=zbv&ranks=4&micro-batches=10");
  const blocks = await paintedBlocks(page);
  const csv = await download(page, "CSV");
  expect(parseProgramCsv(csv).numRanks).toBe(4);
  const json = await download(page, "JSON");
  const svg = await download(page, "SVG");
  expect(svg).toMatch(/^<svg .*<\/svg>\s*$/s);
  expect((await download(page, "PNG")).slice(1, 4)).toBe("PNG");
  const trace = JSON.parse(await download(page, "Chrome trace"));
  expect(trace.traceEvents.length).toBeGreaterThan(blocks.length);

  const other = await studio.open();
  await upload(other, "mine.csv", csv);
  await settled(other);
  const withoutLabels = (list: typeof blocks) => list.map(({ pixel: _, ...block }) => block);
  expect(withoutLabels(await paintedBlocks(other))).toEqual(withoutLabels(blocks));
  const fresh = await studio.open(new URL(other.url()).hash);
  expect(withoutLabels(await paintedBlocks(fresh))).toEqual(withoutLabels(blocks));
  await upload(other, "step.json", json);
  await settled(other);
  expect(await other.locator("#schedule").inputValue()).toBe("zbv");
});

inBrowser("a trace is compared with the plan", async () => {
  const page = await studio.open("#/design?schedule=dualpipe&ranks=4&micro-batches=8");
  const { timeline } = simulate(lower(buildProgram("dualpipe", { numRanks: 4, numMicroBatches: 8 })), {
    ...UNIT_COST,
    F: 1.5,
  });
  await upload(page, "trace.json", JSON.stringify(chromeTrace(timeline)));
  await expect.poll(() => page.locator(".surface").count()).toBe(2);
  expect(await page.getByRole("heading", { name: /measured: trace.json/ }).count()).toBe(1);
  const measured = await paintedBlocks(page, 1);
  expect(measured.filter(({ kind }) => kind === "F")).toHaveLength(4 * 8);
  expect(studio.errors).toEqual([]);
});

inBrowser("wrong files get a message that says what was wrong", async () => {
  const page = await studio.open();
  const problem = page.locator(".files [role=alert]");
  const wrong = [
    ["notes.txt", "Dear diary", /must be a program in CSV .*got "Dear diary"/],
    ["a.csv", "0F0,0X0\n", /line 1, cell 2: action: must be STAGE/],
    ["b.csv", "", /forwards/],
    ["c.json", "{", /JSON that cannot be read/],
    ["d.json", '{"a": 1, "b": 2}', /with the keys a, b/],
    [
      "e.json",
      '{"traceEvents": [{"ph": "X", "name": "aten::mm", "tid": 1, "ts": 1, "dur": 1}]}',
      /such as 2F7/,
    ],
    ["f.json", '{"stepMs": 1}', /version must be 1/],
  ] as const;
  for (const [name, text, message] of wrong) {
    await upload(page, name, text);
    await expect.poll(async () => (await problem.count()) && (await problem.innerText())).toMatch(message);
  }
  const program = buildProgram("gpipe", { numRanks: 2, numMicroBatches: 2 });
  await upload(
    page,
    "deadlock.csv",
    formatProgramCsv(program)
      .replace("0F0,", "")
      .replace(/^(.*)\r/, "$1,0F0\r"),
  );
  await settled(page);
  expect(await page.locator(".stage [role=alert]").innerText()).toMatch(/rank 0|order/);
});

inBrowser("no view has a violation of accessibility, in either theme", async () => {
  const views = [
    "compare?micro-batches=16&with=schedule%3D1f1b",
    "explain?time=20",
    "edit?ranks=2&micro-batches=4",
  ];
  for (const [i, view] of [...views, "design?stall=1@4%2B2"].entries()) {
    const page = await studio.open(`#/${view}`, { dark: i % 2 === 0 });
    expect(`${view}: ${(await violations(page)).join()}`).toBe(`${view}: `);
    await page.getByRole("button", { name: /theme/ }).click();
    expect(`${view}: ${(await violations(page)).join()}`).toBe(`${view}: `);
  }
});
