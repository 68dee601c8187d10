// `npm test [-- FILTER...]`: sets up what is missing, then checks types, style and behaviour.
// The last line on standard output is the tally, `N passed, N failed`.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { limitMinutes, runVitest } from "./run-vitest.mjs";
import { exitOnSignals, ROOT, runProgram, setUpOrExplain } from "./setup.mjs";

const filters = process.argv.slice(2);
const tally = { passed: 0, failed: 0 };

/** The script behind a package's command, which runs without a shell and without npx. */
function binOf(packageName, command) {
  const folder = join(ROOT, "node_modules", packageName);
  const { bin } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  return join(folder, typeof bin === "string" ? bin : bin[command]);
}

function count(name, ok) {
  tally[ok ? "passed" : "failed"] += 1;
  console.log(`${ok ? "ok" : "FAILED"}: ${name}`);
}

async function check(name, ...command) {
  const outcome = await runProgram(process.execPath, command, { stdio: ["ignore", "inherit", "inherit"] });
  count(name, outcome === 0);
}

async function runTests() {
  const { tally: tests, problem } = await runVitest(binOf("vitest", "vitest"), filters, limitMinutes());
  tally.passed += tests.passed;
  tally.failed += tests.failed;
  if (problem) console.log(`FAILED: ${problem}`);
}

exitOnSignals();
process.chdir(ROOT);
// Tests over several hosts use network namespaces; without `ip` they are skipped.
const hasIp = spawnSync("ip", ["-V"], { stdio: "ignore" }).status === 0;
// Tests of the studio use a browser. It is large, so only continuous integration installs one; others skip them.
const hasBrowser = spawnSync("chromium", ["--version"], { stdio: "ignore" }).status === 0;
const wanted = [...(hasIp ? [] : ["iproute2"]), ...(hasBrowser || !process.env.CI ? [] : ["chromium"])];
const isReady = await setUpOrExplain({ wanted });
count("build", isReady);
if (isReady) {
  await check("types", binOf("typescript", "tsc"), "-p", "tsconfig.json");
  await check("types of the studio", binOf("typescript", "tsc"), "-p", "tsconfig.studio.json");
  await check("lint and format", binOf("@biomejs/biome", "biome"), "check", "--error-on-warnings", ".");
  await runTests();
}
process.exitCode = tally.failed === 0 ? 0 : 1;
console.log(`${tally.passed} passed, ${tally.failed} failed`);
