// Changing a program by hand, with the verifier's answer.
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect } from "vitest";
import { BROWSER, inBrowser, StudioInBrowser, settled } from "./browser.ts";

let studio: StudioInBrowser;
beforeAll(async () => {
  if (BROWSER !== undefined) studio = await StudioInBrowser.start();
});
afterAll(() => studio?.[Symbol.asyncDispose]());

const orderOf = (page: Page, rank: number) =>
  page.locator(".action-list").nth(rank).locator("button").allInnerTexts();

inBrowser("an action is dragged, the timeline follows, and the back button undoes it", async () => {
  const page = await studio.open("#/edit?schedule=gpipe&ranks=2&micro-batches=3");
  expect(await orderOf(page, 0)).toEqual(["0F0", "0F1", "0F2", "0B0", "0B1", "0B2"]);
  const chip = (name: string) => page.getByRole("button", { name: new RegExp(`^${name},`) });
  await chip("0F0").dragTo(chip("0F1"));
  await settled(page);
  expect(await orderOf(page, 0)).toEqual(["0F1", "0F0", "0F2", "0B0", "0B1", "0B2"]);
  expect(await page.getByRole("status").innerText()).toContain("Sound");
  const first = "document.querySelector('.surface').chart.content.drawn.blockAt(0, 0.5).microBatch";
  expect(await page.evaluate(first)).toBe(1);
  const fresh = await studio.open(new URL(page.url()).hash);
  expect(await orderOf(fresh, 0)).toEqual(await orderOf(page, 0));
  await page.goBack();
  await settled(page);
  expect(await orderOf(page, 0)).toEqual(["0F0", "0F1", "0F2", "0B0", "0B1", "0B2"]);
  expect(studio.errors).toEqual([]);
});

inBrowser("keys move an action into a deadlock, whose cycle is marked and drawn", async () => {
  const page = await studio.open("#/edit?schedule=1f1b&ranks=2&micro-batches=4");
  const before = await orderOf(page, 1);
  expect(before.slice(0, 4)).toEqual(["1F0", "1B0", "1F1", "1B1"]);
  // Rank 0 waits for the gradient of micro-batch 0 before it runs the forward that rank 1 then waits for.
  for (let i = 0; i < 2; i++) {
    await page.getByRole("button", { name: /^1B0,/ }).focus();
    for (let k = 0; k < 4; k++) await page.keyboard.press("Shift+ArrowRight");
    await settled(page);
  }
  const problem = await page.getByRole("alert").innerText();
  expect(problem).toMatch(/no ranks may wait for each other in a cycle/);
  expect(await page.locator(".action.wrong").count()).toBe(2);
  const points = await page.locator(".cycle polyline").getAttribute("points");
  expect(points!.split(" ")).toHaveLength(3);
});

inBrowser("an action before what it needs is marked", async () => {
  const page = await studio.open("#/edit?schedule=gpipe&ranks=2&micro-batches=2");
  await page.getByRole("button", { name: /^1B0,/ }).focus();
  for (let k = 0; k < 2; k++) await page.keyboard.press("Shift+ArrowLeft");
  await settled(page);
  expect(await page.getByRole("alert").innerText()).toMatch(/1B0/);
  expect(await page.locator(".action.wrong").count()).toBeGreaterThan(0);
});
