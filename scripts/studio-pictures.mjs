// `npm run pictures [-- RUN_FOLDER]`: takes the pictures of the studio that the documents show, in an installed
// chromium. The picture of a run needs the folder of one, such as runs/gpt.
import { join } from "node:path";
import { chromium } from "playwright-core";
import { importBuilt, ROOT } from "./setup.mjs";

const VIEWS = [
  ["design", "#/design?link=0.2", { hover: [640, 170] }],
  ["what-if", "#/design?stall=3@20%2B6&slow=1x1.2", { dark: true }],
  ["plan", "#/plan", { height: 1040 }],
  [
    "compare",
    "#/compare?micro-batches=16&with=schedule%3Dinterleaved%26micro-batches%3D16%26stages-per-rank%3D2%26F%3D0.5%26I%3D0.5%26W%3D0.5%26activations%3D0.5",
    {},
  ],
  [
    "differences",
    "#/compare?schedule=zb1p&ranks=4&micro-batches=10&with=schedule%3Dzb2p%26ranks%3D4%26micro-batches%3D10",
    {},
  ],
  ["explain", "#/explain?time=12.5", {}],
  ["edit", "#/edit?ranks=4&micro-batches=8", {}],
];
const FOLDER = join(ROOT, "docs", "images");
const SIZE = { width: 1440, height: 800 };

const { startStudioServer } = await importBuilt("cli/studio/studio-server.js");
const { RunInFolder } = await importBuilt("cli/studio/run-in-folder.js");
const opened = await Promise.all(process.argv.slice(2).map((folder) => RunInFolder.open(folder)));
const runs = opened.map(({ events }) => events);
const server = await startStudioServer({ host: "127.0.0.1", port: 0, runs });
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });

async function take(name, hash, { dark = false, hover, height = SIZE.height }) {
  const page = await browser.newPage({
    viewport: { ...SIZE, height },
    colorScheme: dark ? "dark" : "light",
    reducedMotion: "reduce",
  });
  await page.goto(`${server.address}${hash}`);
  await page.locator(".surface").first().waitFor();
  await page.locator(".stage[aria-busy=false]").waitFor();
  await page.waitForTimeout(500);
  if (hover) await page.mouse.move(...hover);
  await page.waitForTimeout(200);
  const path = join(FOLDER, `studio-${name}.png`);
  await page.screenshot({ path });
  await page.close();
  console.log(path);
}

for (const [name, hash, options] of VIEWS) await take(name, hash, options);
if (runs.length > 0) await take("run", "#/run", { height: 1000 });
else console.log("no picture of a run: name its folder");
await browser.close();
server.close();
