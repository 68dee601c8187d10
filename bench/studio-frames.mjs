// `node bench/studio-frames.mjs`: how fast the studio is in Debian's chromium, with software rendering.
//
// It records an interaction: frames of the wheel and of dragging, each with the time that the page needs to paint it,
// which is from the event to the end of the frame in which the canvas was painted. Then it opens a very large schedule,
// and reports the first paint of the page.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { chromium } from "playwright-core";
import { importBuilt, ROOT } from "../scripts/setup.mjs";

const FRAMES = 120;

/** Zooms in and out with the wheel while dragging, and measures each frame. Runs in the page. */
const RECORD = `(async () => {
  const surface = document.querySelector(".surface");
  const { left, top, width, height } = surface.getBoundingClientRect();
  const [x, y] = [left + width / 2, top + height / 2];
  const nextFrame = () => new Promise((done) => requestAnimationFrame(done));
  const pointer = (type, at) => surface.dispatchEvent(
    new PointerEvent(type, { pointerId: 1, clientX: at, clientY: y, bubbles: true }));
  surface.setPointerCapture = () => {};
  const times = [];
  const intervals = [];
  let last = await nextFrame();
  for (let frame = 0; frame < ${FRAMES}; frame++) {
    const start = performance.now();
    const isWheel = frame < ${FRAMES} / 2;
    if (isWheel) surface.dispatchEvent(new WheelEvent("wheel", {
      deltaY: frame % 30 < 20 ? -150 : 200, clientX: x + frame, clientY: y, bubbles: true, cancelable: true }));
    else {
      if (frame === ${FRAMES} / 2) pointer("pointerdown", x);
      pointer("pointermove", x + 40 * Math.sin(frame / 4));
    }
    const now = await nextFrame();
    // The chart's own callback was asked for before, so it has run in this frame; so has what the browser paints.
    await new Promise((done) => { const { port1, port2 } = new MessageChannel(); port1.onmessage = done; port2.postMessage(0); });
    times.push(performance.now() - start);
    intervals.push(now - last);
    last = now;
  }
  pointer("pointerup", x);
  return { times, intervals };
})()`;

const ms = (value) => `${value.toFixed(1)} ms`;
const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

function report(name, values) {
  const p95 = values.toSorted((a, b) => a - b)[Math.floor(0.95 * values.length)];
  console.log(
    `${name}: median ${ms(median(values))}, 95 % under ${ms(p95)}, worst ${ms(Math.max(...values))}`,
  );
}

async function open(browser, address, hash) {
  const page = await browser.newPage({ viewport: { width: 1440, height: 1000 } });
  const start = performance.now();
  await page.goto(`${address}#/design?${hash}`);
  await page.locator(".surface").waitFor({ timeout: 120_000 });

  await page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))");
  return { page, openedMs: performance.now() - start };
}

const { startStudioServer } = await importBuilt("cli/studio/studio-server.js");
const server = await startStudioServer({ host: "127.0.0.1", port: 0 });
const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu"],
});

const assets = join(ROOT, "dist", "studio", "assets");
const scripts = readdirSync(assets).filter((name) => name.endsWith(".js"));
const bytes = scripts.reduce((sum, name) => sum + gzipSync(readFileSync(join(assets, name))).length, 0);
console.log(`scripts: ${(bytes / 1000).toFixed(1)} KB compressed`);

const first = await open(browser, server.address, "schedule=dualpipe");
const paint = await first.page.evaluate(
  "performance.getEntriesByName('first-contentful-paint')[0].startTime",
);
console.log(`first paint: ${ms(paint)}; the default schedule is drawn after ${ms(first.openedMs)}`);

const large = await open(browser, server.address, "ranks=64&micro-batches=512");
const numBlocks = await large.page.evaluate(
  "(() => { const { drawn } = document.querySelector('.surface').chart.content; let n = 0; for (let r = 0; r < drawn.numRanks; r++) for (const _ of drawn.blocksOf(r)) n++; return n; })()",
);
console.log(`64 ranks x 512 micro-batches: ${numBlocks} blocks, opened in ${ms(large.openedMs)}`);
const { times, intervals } = await large.page.evaluate(RECORD);
report("  work per frame", times);
report("  time between frames", intervals);
await large.page.close();

const huge = await open(browser, server.address, "ranks=1024&micro-batches=4096");
console.log(`1024 ranks x 4096 micro-batches: opened in ${ms(huge.openedMs)}`);
const hugeFrames = await huge.page.evaluate(RECORD);
report("  time between frames", hugeFrames.intervals);
await browser.close();
server.close();
