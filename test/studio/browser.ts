import axe from "axe-core";
import { type Browser, chromium, type Page } from "playwright-core";
import { test } from "vitest";
import { type StudioServer, startStudioServer } from "../../src/cli/studio/studio-server.ts";
import { findProgram } from "../../src/native/programs.ts";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/** The path of a browser, if this machine has one. */
export const BROWSER = NAMES.map((name) => findProgram(name)).find((path) => path !== undefined);

if (BROWSER === undefined)
  console.warn("no test of the studio in a browser: none is installed; on Debian: apt-get install chromium");

/** A test that is skipped where there is no browser. */
export const inBrowser = test.skipIf(BROWSER === undefined);

/** A busy machine with two cores may take long to start a browser's page. */
const WAIT_MS = 60_000;

/** A server of the page and a browser that opens it. */
export class StudioInBrowser implements AsyncDisposable {
  readonly server: StudioServer;
  readonly browser: Browser;
  /** Errors that pages have thrown, and what they have printed as errors. */
  readonly errors: string[] = [];

  private constructor(server: StudioServer, browser: Browser) {
    this.server = server;
    this.browser = browser;
  }

  static async start(server?: StudioServer): Promise<StudioInBrowser> {
    const started = server ?? (await startStudioServer({ host: "127.0.0.1", port: 0 }));
    // Debian's browser runs as root in containers, where its sandbox cannot.
    const browser = await chromium.launch({ executablePath: BROWSER!, args: ["--no-sandbox"] });
    return new StudioInBrowser(started, browser);
  }

  /** Opens a view in a browser of its own, with nothing stored. @param hash With `#`. */
  async open(hash = "", options: { width?: number; height?: number; dark?: boolean } = {}): Promise<Page> {
    const { width = 1440, height = 900, dark = false } = options;
    const page = await this.browser.newPage({
      viewport: { width, height },
      colorScheme: dark ? "dark" : "light",
    });
    page.setDefaultTimeout(WAIT_MS);
    page.on("pageerror", (error) => this.errors.push(error.message));
    page.on("console", (message) => {
      if (message.type() === "error") this.errors.push(message.text());
    });
    await page.goto(`${this.server.address}${hash}`);
    await page.locator(".surface").first().waitFor();
    await settled(page);
    return page;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.browser.close();
    this.server.close();
  }
}

/** Waits until the worker has answered and the chart is painted. */
export async function settled(page: Page): Promise<void> {
  const twoFrames = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))";
  // What was changed makes the page busy in the next frame only.
  await page.evaluate(twoFrames);
  await page.locator(".stage[aria-busy=false]").first().waitFor();
  await page.evaluate(twoFrames);
}

/** A block as the page draws it, with the colour of its pixel on the canvas. */
export interface PaintedBlock {
  readonly rank: number;
  readonly index: number;
  readonly kind: "F" | "I" | "W" | "B";
  readonly stage: number;
  readonly microBatch: number;
  readonly start: number;
  readonly end: number;
  readonly isPaired: boolean;
  readonly label: string;
  readonly pixel: readonly [number, number, number];
}

/** All blocks of a chart, in the order of ranks and time. */
export async function paintedBlocks(page: Page, chart = 0): Promise<PaintedBlock[]> {
  return (await page.evaluate(`(() => {
    const surface = document.querySelectorAll(".surface")[${chart}];
    const { content: { drawn }, camera: { start, scale, top, rowHeight }, left } = surface.chart;
    const context = surface.querySelector("canvas").getContext("2d");
    const blocks = [];
    for (let rank = 0; rank < drawn.numRanks; rank++)
      for (const block of drawn.blocksOf(rank)) {
        // A little off the middle: the label is there.
        const x = left + (block.start + 0.25 * (block.end - block.start) - start) * scale;
        const y = (rank + 0.2) * rowHeight - top;
        const pixel = [...context.getImageData(Math.round(x), Math.round(y), 1, 1).data].slice(0, 3);
        blocks.push({ ...block, pixel });
      }
    return blocks;
  })()`)) as PaintedBlock[];
}

/** The rules of axe-core that the page breaks. */
export async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  return (await page.evaluate(
    "axe.run().then(({ violations }) => violations.map(({ id, nodes }) => id + ': ' + nodes[0].html))",
  )) as string[];
}
