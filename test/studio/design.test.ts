// The page as a person uses it: controls, pointer, keyboard, address, history, themes, and what screen readers find.
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect } from "vitest";
import { buildProgram, lower, simulate, UNIT_COST } from "../../src/schedule/index.ts";
import { BROWSER, inBrowser, paintedBlocks, StudioInBrowser, settled, violations } from "./browser.ts";

const stepOf = (page: Page) => page.locator(".summary tr", { hasText: "Step" }).locator("td").innerText();

let studio: StudioInBrowser;
beforeAll(async () => {
  if (BROWSER !== undefined) studio = await StudioInBrowser.start();
});
afterAll(() => studio?.[Symbol.asyncDispose]());

inBrowser("shows what the simulator says, for every schedule that can be chosen", async () => {
  const page = await studio.open("#/design?micro-batches=16");
  const names = (await page.evaluate(
    "[...document.querySelectorAll('#schedule option')].map(({ value }) => value)",
  )) as string[];
  expect(names).toContain("zbv");
  for (const name of names) {
    await page.locator("#schedule").selectOption(name);
    await settled(page);
    const blocks = await paintedBlocks(page);
    const numRanks = Math.max(...blocks.map(({ rank }) => rank)) + 1;
    const numStages = Math.max(...blocks.map(({ stage }) => stage)) + 1;
    const numMicroBatches = Math.max(...blocks.map(({ microBatch }) => microBatch)) + 1;
    const perRank = name === "interleaved" ? numStages / numRanks : undefined;
    const sizes = { numRanks, numMicroBatches, stagesPerRank: perRank };
    const { makespan } = simulate(lower(buildProgram(name, sizes)), UNIT_COST);
    expect(`${name} ${await stepOf(page)}`).toBe(`${name} ${Number(makespan.toPrecision(4))}`);
  }
  expect(studio.errors).toEqual([]);
});

inBrowser(
  "a dragged slider changes the chart, and is one step of the history; the address restores it",
  async () => {
    const page = await studio.open();
    expect(await stepOf(page)).toBe("63");
    const slider = page.getByRole("slider", { name: "Latency" });
    for (let i = 0; i < 6; i++) await slider.press("ArrowRight");
    await settled(page);
    expect(await page.locator("#field-link").inputValue()).toBe("0.3");
    const withLatency = await stepOf(page);
    expect(Number(withLatency)).toBeGreaterThan(63);
    await expect.poll(() => page.url()).toContain("link=0.3");

    const fresh = await studio.open(new URL(page.url()).hash);
    expect(await stepOf(fresh)).toBe(withLatency);
    await fresh.reload();
    await settled(fresh);
    expect(await stepOf(fresh)).toBe(withLatency);

    await page.goBack();
    await settled(page);
    expect(await stepOf(page)).toBe("63");
    await page.goForward();
    await settled(page);
    expect(await stepOf(page)).toBe(withLatency);
  },
);

inBrowser(
  "a field takes one cost for each stage, and a wrong one is explained while the chart stays",
  async () => {
    const page = await studio.open("#/design?schedule=1f1b&ranks=4&micro-batches=8");
    await page.locator("#field-F").fill("1/1/2/1");
    await settled(page);
    const blocks = await paintedBlocks(page);
    expect(
      blocks.filter(({ kind, stage }) => kind === "F" && stage === 2).map(({ start, end }) => end - start),
    ).toEqual(new Array(8).fill(2));
    await page.locator("#field-F").fill("1/1");
    await settled(page);
    expect(await page.getByRole("alert").innerText()).toContain("one for each of 4 stages");
    expect((await paintedBlocks(page)).length).toBe(blocks.length);
    await page.locator("#field-F").fill("");
    await settled(page);
    expect(await page.getByRole("alert").count()).toBe(0);
  },
);

inBrowser("one stage and one link have sliders of their own, and the address restores them", async () => {
  const page = await studio.open("#/design?schedule=1f1b&ranks=4&micro-batches=8&bytes=10");
  await page.locator(".one-stage summary").click();
  await page.locator("#field-stage").fill("2");
  await page.getByRole("slider", { name: "F of stage 2" }).press("ArrowRight");
  await page.locator("#field-stage-I").fill("2");
  await page.locator(".one-link summary").click();
  await page.locator("#field-link-from").fill("1");
  await page.locator("#field-link-to").fill("2");
  await page.getByRole("slider", { name: "Latency of this link" }).press("ArrowRight");
  await page.locator("#field-link-bandwidth").fill("20");
  await settled(page);
  expect(await page.locator("#field-F").inputValue()).toBe("1/1/1.1/1");
  expect(await page.locator("#field-I").inputValue()).toBe("1/1/2/1");
  expect(await page.locator(".one-link .chips").innerText()).toContain(
    "rank 1 to 2: latency 0.05, bandwidth 20",
  );
  const { makespan } = simulate(lower(buildProgram("1f1b", { numRanks: 4, numMicroBatches: 8 })), {
    ...{ F: [1, 1, 1.1, 1], I: [1, 1, 2, 1], W: 1, link: { latency: 0 }, activationBytes: 10 },
    edges: [{ from: 1, to: 2, latency: 0.05, bandwidth: 20 }],
  });
  const expected = String(Number(makespan.toPrecision(4)));
  expect(await stepOf(page)).toBe(expected);
  await expect.poll(() => page.url()).toContain("edge=1-2%400.05%2F20");
  const fresh = await studio.open(new URL(page.url()).hash);
  expect(await stepOf(fresh)).toBe(expected);
  await fresh.getByRole("button", { name: /Remove: rank 1 to 2/ }).click();
  await settled(fresh);
  expect(await stepOf(fresh)).not.toBe(expected);
});

inBrowser("every control has a name, and says in a few words what it is", async () => {
  const page = await studio.open("#/design?F=1/1/1/1/1/1/1/1&edge=0-1@1");
  const unexplained =
    await page.evaluate(`[...document.querySelectorAll(".controls .field")].filter((field) => {
    const name = field.querySelector("label")?.innerText ?? "";
    return name.trim() === "" || (field.querySelector("small")?.innerText ?? "").trim() === "";
  }).map((field) => field.outerHTML)`);
  expect(unexplained).toEqual([]);
  expect(await page.locator(".controls .field").count()).toBeGreaterThanOrEqual(22);
  expect(await violations(page)).toEqual([]);
});

inBrowser("every slider changes the step, while it is dragged, and back leads to where it was", async () => {
  const page = await studio.open("#/design?schedule=interleaved&ranks=4&micro-batches=8&stages-per-rank=2");
  for (const name of ["one-stage", "one-link"]) await page.locator(`.${name} summary`).click();
  const sliders = page.locator(".controls input[type=range]");
  const numSliders = await sliders.count();
  for (let i = 0; i < numSliders; i++) {
    const name = await sliders.nth(i).getAttribute("aria-label");
    // These only choose what the sliders after them change.
    if (/^(Stage|From rank|To rank),/.test(name!)) continue;
    const before = page.url();
    const value = await sliders.nth(i).inputValue();
    await sliders.nth(i).press("ArrowRight");
    if ((await sliders.nth(i).inputValue()) === value) await sliders.nth(i).press("ArrowLeft");
    await expect.poll(() => page.url(), { message: name! }).not.toBe(before);
    await settled(page);
    expect(await page.getByRole("alert").count(), name!).toBe(0);
    await page.goBack();
    await settled(page);
    expect(page.url(), name!).toBe(before);
  }
  expect(numSliders).toBe(23);
});

inBrowser("the choices of how values leave, of order and of memory are in the numbers", async () => {
  const page = await studio.open();
  await page.getByRole("radio", { name: /at its end/ }).check();
  await settled(page);
  const { makespan } = simulate(
    lower(buildProgram("dualpipe", { numRanks: 8, numMicroBatches: 20 })),
    UNIT_COST,
    { wholeComputations: true },
  );
  expect(await stepOf(page)).toBe(String(makespan));
  await page.locator("#field-weights").fill("3");
  await page.locator("#field-activations").fill("2");
  await settled(page);
  const memory = () => page.locator(".summary tr", { hasText: "Memory" }).locator("td").innerText();
  // Rank 0 holds two stages of the model and at most nine activations.
  expect(Number(await memory())).toBe(2 * 3 + 2 * 9);
  await page.getByRole("button", { name: "Show the table" }).click();
  expect(await page.getByRole("row", { name: /^rank 1/ }).isVisible()).toBe(true);
});

inBrowser("the pointer, and the keyboard alone, find a block and what it waited for", async () => {
  const page = await studio.open("#/design?schedule=gpipe&ranks=2&micro-batches=2");
  await page.locator(".surface").focus();
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowDown");
  const tooltip = page.getByRole("tooltip");
  expect(await tooltip.innerText()).toContain("micro-batch 0: forward of stage 1 on rank 1, from 1 to 2");
  expect(await tooltip.innerText()).toContain("waited for 0F0 on rank 0, which ended at 1");
  expect(await page.locator("[aria-live]").innerText()).toContain("forward of stage 1");
  await page.keyboard.press("Escape");
  expect(await tooltip.count()).toBe(0);
  const box = (await page.locator(".surface").boundingBox())!;
  await page.mouse.move(box.x + box.width - 30, box.y + 10);
  expect(await tooltip.innerText()).toContain("on rank 0");
});

inBrowser("wheel, drag, keys and fingers zoom and pan", async () => {
  const page = await studio.open();
  const camera = async () =>
    (await page.evaluate("document.querySelector('.surface').chart.camera")) as {
      start: number;
      scale: number;
    };
  const fitted = await camera();
  const box = (await page.locator(".surface").boundingBox())!;
  const middle = [box.x + box.width / 2, box.y + box.height / 2] as const;
  await page.mouse.move(...middle);
  await page.mouse.wheel(0, -600);
  await expect.poll(async () => (await camera()).scale).toBeGreaterThan(2 * fitted.scale);
  const zoomed = await camera();
  await page.mouse.down();
  await page.mouse.move(middle[0] - 100, middle[1]);
  await page.mouse.up();
  expect((await camera()).start).toBeCloseTo(zoomed.start + 100 / zoomed.scale, 6);
  await page.keyboard.press("Tab");
  await page.locator(".surface").focus();
  await page.keyboard.press("0");
  expect(await camera()).toEqual(fitted);
  await page.keyboard.press("+");
  expect((await camera()).scale).toBeCloseTo(1.3 * fitted.scale, 6);
  await page.keyboard.press("0");
  await page.evaluate(`(() => {
    const surface = document.querySelector(".surface");
    surface.setPointerCapture = () => {};
    const { left, top } = surface.getBoundingClientRect();
    const fire = (type, pointerId, x) => surface.dispatchEvent(
      new PointerEvent(type, { pointerId, clientX: left + x, clientY: top + 50, bubbles: true, pointerType: "touch" }));
    fire("pointerdown", 1, 400); fire("pointerdown", 2, 500); fire("pointermove", 2, 600);
  })()`);
  expect((await camera()).scale).toBeCloseTo(2 * fitted.scale, 6);
});

inBrowser("every number is drawn when all fit, and none otherwise", async () => {
  const page = await studio.open();
  const size = () =>
    page.evaluate(
      "(() => { const { chart } = document.querySelector('.surface'); return chart.labelSize; })()",
    );
  expect(await size()).toBeGreaterThanOrEqual(8);
  await page.locator("#field-numMicroBatches").fill("200");
  await settled(page);
  expect(await size()).toBeUndefined();
});

inBrowser(
  "has no violation of accessibility in both themes, and a table of what the canvas shows",
  async () => {
    for (const dark of [false, true]) {
      const page = await studio.open("#/design?schedule=zb1p&ranks=4&micro-batches=8", { dark });
      const theme = (): Promise<unknown> => page.evaluate("document.documentElement.dataset.theme");
      expect(await theme()).toBe(dark ? "dark" : "light");
      expect(await violations(page)).toEqual([]);
      const row = page.getByRole("row", { name: /^rank 1/ });
      expect(await row.innerText()).toContain("1F0 1F1");
      await page.getByRole("button", { name: /theme/ }).click();
      await expect.poll(theme).toBe(dark ? "light" : "dark");
    }
  },
);

inBrowser("fits a small screen", async () => {
  const page = await studio.open("", { width: 380, height: 700 });
  expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(380);
});
