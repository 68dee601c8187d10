// A real run on the page: while it goes on, after a reload, when it is killed and resumed, and from its folder.
import { type ChildProcess, spawn } from "node:child_process";
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { RunInFolder } from "../../src/cli/studio/run-in-folder.ts";
import { type StudioServer, startStudioServer } from "../../src/cli/studio/studio-server.ts";
import { formatConfig } from "../../src/trainer/config/config.ts";
import { orderedWordsConfig } from "../trainer/ordered-words.ts";
import { BROWSER, inBrowser, StudioInBrowser, violations } from "./browser.ts";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "dualpipe-studio-"));
const runFolder = join(folder, "run");
let studio: StudioInBrowser;
let run: ChildProcess | undefined;

beforeAll(async () => {
  writeFileSync(join(folder, "config.yaml"), formatConfig(orderedWordsConfig(folder, "run")));
  if (BROWSER !== undefined) studio = await StudioInBrowser.start();
});
afterAll(async () => {
  run?.kill("SIGKILL");
  await studio?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

/** Starts the run with the page. @returns The page's address. */
function startRun(...args: string[]): Promise<string> {
  const child = spawn(process.execPath, [MAIN, "train", join(folder, "config.yaml"), ...args]);
  run = child;
  return new Promise((resolve, reject) => {
    let output = "";
    child.stderr.on("data", (data: Buffer) => {
      output += data;
      const address = /dualpipe studio: open (\S+)/.exec(output)?.[1];
      if (address !== undefined) resolve(address);
    });
    child.on("exit", () => reject(new Error(`the run ended: ${output}`)));
  });
}

const exited = (child: ChildProcess) => new Promise((resolve) => child.once("exit", resolve));
const stepOf = async (page: Page) =>
  Number(
    /Step\s+(\d+)/.exec(
      await page
        .locator(".numbers")
        .innerText({ timeout: 500 })
        .catch(() => ""),
    )?.[1] ?? 0,
  );
const patience = { timeout: 90_000 };

inBrowser("a run is followed, also after a reload and after a lost connection", async () => {
  const endless = [
    "--set",
    "training.steps=100000",
    "--set",
    "validation.everySteps=10",
    "--set",
    "checkpoint.everySteps=20",
  ];
  const address = await startRun("--studio", ...endless);
  const page = await studio.browser.newPage();
  await page.goto(address);
  await expect.poll(() => page.url()).toContain("#/run");
  await expect.poll(() => stepOf(page), patience).toBeGreaterThan(40);
  await expect.poll(() => page.locator(".surface").count(), patience).toBe(2);
  expect(await page.getByRole("img", { name: /^Loss: \d/ }).count()).toBe(1);
  expect(await page.locator(".notes").innerText()).toMatch(
    /step 20: checkpoint [\s\S]*step 10: validation loss/,
  );
  expect(await page.getByRole("status").innerText()).toBe("following the run");
  const processRow = page.locator(".processes tbody tr");
  await expect.poll(() => processRow.count(), patience).toBe(1);
  expect(await processRow.innerText()).toMatch(new RegExp(`\\b${run!.pid}\\b[^]* MB\\s+\\d+ s ago$`));
  const rankRows = page.locator(".ranks tbody tr");
  // Of each rank, its memory and the six shares of the measured step, the host's among them.
  await expect
    .poll(() => rankRows.first().innerText(), patience)
    .toMatch(/^0\s+0\s+\d+ MB(\s+\d+\.\d %){6}$/);
  const before = await stepOf(page);
  await page.reload();
  await expect.poll(() => stepOf(page), patience).toBeGreaterThanOrEqual(before);

  const killed = exited(run!);
  run!.kill("SIGKILL");
  await killed;
  await expect.poll(() => page.getByRole("status").innerText(), patience).toContain("connection is lost");
  await expect.poll(() => page.locator(".silent").count(), patience).toBe(1);
  expect(await stepOf(page)).toBeGreaterThan(0);
  await startRun("--studio", new URL(address).port, "--resume", ...endless);
  await expect.poll(() => page.getByRole("status").innerText(), patience).toBe("following the run");
  await expect.poll(() => stepOf(page), patience).toBeGreaterThan(before);
  const ended = exited(run!);
  run!.kill("SIGTERM");
  await ended;
  await expect.poll(() => page.getByRole("status").innerText(), patience).toBe("the run has ended");
});

inBrowser("a finished run is opened from its folder, next to its plan", async () => {
  await startRun("--studio", "--overwrite");
  await exited(run!);
  const { events } = await RunInFolder.open(runFolder);
  const server = await startStudioServer({ host: "127.0.0.1", port: 0, runs: [events] });
  try {
    const page = await studio.browser.newPage();
    await page.goto(server.address);
    await expect.poll(() => stepOf(page), patience).toBe(90);
    expect(await page.getByRole("status").innerText()).toBe("the run has ended");
    await expect.poll(() => page.locator(".surface").count(), patience).toBe(2);
    const trace = JSON.parse(readFileSync(join(runFolder, "trace.json"), "utf8"));
    const numEvents = trace.traceEvents.filter(({ ph }: { ph: string }) => ph === "X").length;
    const drawn = await page.evaluate(
      "document.querySelector('.surface').chart.content.drawn.timeline.ranks.reduce((sum, track) => sum + track.length, 0)",
    );
    expect(drawn).toBe(numEvents);
    expect(await violations(page)).toEqual([]);
    const idleOf = (step: number) =>
      page.locator(".rank-table tr", { hasText: "… host" }).locator("td").nth(step).innerText();
    expect(await idleOf(0)).toMatch(/^\d+\.\d %$/);
    expect(await idleOf(1)).toBe("–");
    // What another process adds to the folder appears by itself.
    appendFileSync(
      join(runFolder, "metrics.jsonl"),
      '{"kind":"validation","step":90,"loss":"NaN","unigramLoss":2}\n' +
        '{"kind":"train","step":90,"loss":1,"newNumberMs":2.5}\n',
    );
    await expect.poll(() => page.locator(".notes").innerText(), patience).toContain("validation loss NaN");
    await expect.poll(() => page.locator(".numbers").innerText(), patience).toMatch(/new number ms\s+2\.5/);
  } finally {
    server.close();
  }
});

/** What a page is told first: everything up to the first pause. */
async function eventsOf(
  server: StudioServer,
  path = "run/0/events",
): Promise<{ status: number; text: string }> {
  const abort = new AbortController();
  const response = await fetch(`${server.address}${path}`, { signal: abort.signal });
  const { value } = await response.body!.getReader().read();
  abort.abort();
  return { status: response.status, text: Buffer.from(value ?? []).toString() };
}

test("the server of a run gives its events, and no file of its folder", async () => {
  const own = join(folder, "own");
  const config = orderedWordsConfig(folder, "own");
  await import("node:fs/promises").then(({ mkdir }) => mkdir(own));
  writeFileSync(join(own, "config.yaml"), formatConfig(config));
  writeFileSync(
    join(own, "metrics.jsonl"),
    '{"kind":"train","step":1,"loss":"NaN"}\nnot JSON\n{"kind":"other"}\n{"kind":"tr',
  );
  writeFileSync(join(own, "secret.txt"), "a secret");
  const { events } = await RunInFolder.open(own);
  const server = await startStudioServer({ host: "127.0.0.1", port: 0, runs: [events] });
  try {
    const { text } = await eventsOf(server);
    expect(text).toContain(`"folder":${JSON.stringify(own)}`);
    // The run, the clock of the server, and the one line that is whole.
    expect(text.match(/^data: /gm)).toHaveLength(3);
    expect(text).toContain('"loss":"NaN"');
    for (const path of [
      "run/secret.txt",
      "run/../secret.txt",
      "run/0/events/../../secret.txt",
      "run/1/events",
      "config.yaml",
      "run/config.yaml",
    ])
      expect((await fetch(`${server.address}${path}`)).status).toBe(404);
  } finally {
    server.close();
  }
  await expect(RunInFolder.open(join(folder, "nothing"))).rejects.toMatchObject({
    code: "CONFIG_UNREADABLE",
  });
});
