// Compare: which blocks differ, and measured steps of files and of runs next to each other.
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect } from "vitest";
import { RunEvents } from "../../src/cli/studio/run-events.ts";
import { startStudioServer } from "../../src/cli/studio/studio-server.ts";
import { buildProgram, chromeTrace, lower, simulate, UNIT_COST } from "../../src/schedule/index.ts";
import { BROWSER, inBrowser, StudioInBrowser, settled, violations } from "./browser.ts";

let studio: StudioInBrowser;
beforeAll(async () => {
  if (BROWSER !== undefined) studio = await StudioInBrowser.start();
});
afterAll(() => studio?.[Symbol.asyncDispose]());

/** A step of 1F1B in which the stage takes longer, as a trace. */
function traceOf(slowStage: number): unknown {
  const F = [1, 1, 1, 1].with(slowStage, 2);
  const program = lower(buildProgram("1f1b", { numRanks: 4, numMicroBatches: 8 }));
  return chromeTrace(simulate(program, { ...UNIT_COST, F }).timeline);
}

/** The names of the outlined blocks of a chart, and whether each has dashes of the outline on the canvas. */
const outlined = (page: Page, chart: number) =>
  page.evaluate(`(() => {
    const surface = document.querySelectorAll(".surface")[${chart}];
    const { content: { drawn, outlined }, camera: { start, scale, top, rowHeight }, left } = surface.chart;
    const canvas = surface.querySelector("canvas").getContext("2d");
    const blocks = [];
    for (let rank = 0; rank < drawn.numRanks; rank++)
      for (const block of drawn.blocksOf(rank)) {
        // The upper edge of the block, between its corners.
        const [x, y] = [left + (block.start - start) * scale, rank * rowHeight - top + 1];
        const { data } = canvas.getImageData(Math.round(x) + 2, Math.round(y), Math.floor((block.end - block.start) * scale) - 4, 1);
        let numDashes = 0;
        for (let i = 0; i < data.length; i += 4) if (data[i] > 150 && data[i + 1] < 60 && data[i + 2] > 60) numDashes++;
        blocks.push({ name: block.stage + block.kind, isMarked: outlined?.has(block) ?? false, isDrawn: numDashes > 3 });
      }
    return blocks;
  })()`) as Promise<{ name: string; isMarked: boolean; isDrawn: boolean }[]>;

const names = (blocks: readonly { name: string }[]) => [...new Set(blocks.map(({ name }) => name))];

inBrowser("outlines the blocks that differ, and says how", async () => {
  const same = "schedule=1f1b&ranks=4&micro-batches=8";
  const page = await studio.open(`#/compare?${same}&with=${encodeURIComponent(`${same}&F=1/1/2/1`)}`);
  await expect.poll(() => page.locator(".surface").count()).toBe(2);
  await settled(page);
  expect((await outlined(page, 1)).some(({ isMarked }) => isMarked)).toBe(false);
  const note = page.locator(".stage .note", { hasText: "Of 64 blocks" });
  expect(await note.innerText()).toContain("0 in another place, 8 shorter or longer");

  await page.locator("#mark").selectOption("duration");
  await settled(page);
  for (const chart of [0, 1]) {
    const blocks = await outlined(page, chart);
    expect(names(blocks.filter(({ isMarked }) => isMarked))).toEqual(["2F"]);
    expect(names(blocks.filter(({ isDrawn }) => isDrawn))).toEqual(["2F"]);
  }
  await page.locator(".surface").nth(1).focus();
  await page.keyboard.press("n");
  const tooltip = page.getByRole("tooltip");
  expect(await tooltip.innerText()).toContain("forward of stage 2 on rank 2");
  expect(await tooltip.innerText()).toContain("compared with 1F1B: 1 longer");
  const first = await tooltip.innerText();
  await page.keyboard.press("n");
  expect(await tooltip.innerText()).not.toBe(first);
  await page.keyboard.press("p");
  expect(await tooltip.innerText()).toBe(first);
  await page.keyboard.press("Escape");

  await page.getByRole("button", { name: "Show the differences" }).click();
  const rows = page.getByRole("row", { name: /^2F\d .*duration/ });
  expect(await rows.count()).toBe(8);
  expect(await violations(page)).toEqual([]);
  const fresh = await studio.open(new URL(page.url()).hash);
  await expect.poll(() => fresh.locator(".surface").count()).toBe(2);
  await settled(fresh);
  expect(names((await outlined(fresh, 1)).filter(({ isDrawn }) => isDrawn))).toEqual(["2F"]);
  expect(studio.errors).toEqual([]);
});

inBrowser("two traces are compared with each other; the browser that opened them keeps them", async () => {
  const page = await studio.open("#/compare?schedule=1f1b&ranks=4&micro-batches=8");
  await page.locator("input[type=file]").setInputFiles(
    [1, 2].map((stage) => ({
      name: `stage-${stage}.json`,
      mimeType: "application/json",
      buffer: Buffer.from(JSON.stringify(traceOf(stage))),
    })),
  );
  await expect.poll(() => page.locator(".surface").count()).toBe(3);
  await page.getByRole("checkbox", { name: /step of the Design page/ }).uncheck();
  await page.locator("#mark").selectOption("duration");
  await expect.poll(() => page.locator(".surface").count()).toBe(2);
  const check = async () => {
    await settled(page);
    expect(await page.locator(".stage h2").allInnerTexts()).toEqual([
      "measured: stage-1.json: 4 ranks, 8 micro-batches",
      "measured: stage-2.json: 4 ranks, 8 micro-batches",
    ]);
    expect(names((await outlined(page, 0)).filter(({ isDrawn }) => isDrawn))).toEqual(["1F", "2F"]);
    const scales = "[...document.querySelectorAll('.surface')].map(({ chart }) => chart.camera.scale)";
    await expect.poll(async () => new Set((await page.evaluate(scales)) as number[]).size).toBe(1);
  };
  await check();
  await page.reload();
  await expect.poll(() => page.locator(".surface").count()).toBe(2);
  await check();
  // Another browser has not opened the files.
  const other = await studio.browser.newPage();
  await other.goto(page.url());
  await expect.poll(() => other.getByRole("alert").count()).toBe(2);
  expect(await other.getByRole("alert").first().innerText()).toContain("open the file here too");
  await page.getByRole("button", { name: "Remove: stage-1.json" }).click();
  await expect.poll(() => page.locator(".surface").count()).toBe(1);
  expect(studio.errors).toEqual([]);
});

inBrowser("the steps of two runs are compared with each other", async () => {
  const runs = [0, 3].map((slowStage, i) => {
    const events = new RunEvents();
    const sizes = { schedule: "1f1b", numRanks: 4, numReplicas: 1, numMicroBatches: 8, numStages: 4 };
    events.tell({ kind: "run", info: { folder: `runs/${"ab"[i]}`, ...sizes, numSteps: 5, numRestarts: 0 } });
    events.tell({ kind: "timeline", step: 5 - i, trace: traceOf(slowStage) });
    events.tell({ kind: "end" });
    return events;
  });
  const server = await startStudioServer({ host: "127.0.0.1", port: 0, runs });
  try {
    const page = await studio.browser.newPage();
    await page.goto(`${server.address}#/compare?own=0`);
    await page.getByRole("button", { name: "Add the newest step of runs/a" }).click();
    await page.getByRole("button", { name: "Add the newest step of runs/b" }).click();
    await page.locator("#mark").selectOption("duration");
    await expect.poll(() => page.locator(".surface").count()).toBe(2);
    await expect
      .poll(() => page.locator(".stage h2").allInnerTexts())
      .toEqual([
        "measured: runs/a, step 5: 4 ranks, 8 micro-batches",
        "measured: runs/b, step 4: 4 ranks, 8 micro-batches",
      ]);
    await page.reload();
    await expect.poll(() => page.locator(".surface").count()).toBe(2);
    await settled(page);
    await expect
      .poll(async () => names((await outlined(page, 1)).filter(({ isDrawn }) => isDrawn)))
      .toEqual(["0F", "3F"]);
    await page.getByRole("link", { name: "Run" }).click();
    await page.getByRole("combobox", { name: "Run" }).selectOption("1");
    expect(await page.locator("h2").first().innerText()).toContain("runs/b: 1f1b, 4 ranks");
    await page.reload();
    await expect.poll(() => page.locator("h2").first().innerText()).toContain("runs/b: 1f1b, 4 ranks");
  } finally {
    server.close();
  }
});
