// `npm test [-- FILTER...]`: sets up what is missing, then checks types, style and behaviour.
// The last line on standard output is the tally, `N passed, N failed`.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exitOnSignals, ROOT, runProgram, setUpOrExplain } from "./setup.mjs";
import { tallyReport } from "./tally.mjs";

// A thread that hangs in native code keeps vitest from ending.
const TESTS_LIMIT_MS = 35 * 60_000;

const filters = process.argv.slice(2);
const tally = { passed: 0, failed: 0 };

/** The script behind a package's command, so that it runs without a shell and without npx. */
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
  count(
    name,
    (await runProgram(process.execPath, command, { stdio: ["ignore", "inherit", "inherit"] })) === 0,
  );
}

async function runTests() {
  const folder = mkdtempSync(join(tmpdir(), "dualpipe-tests-"));
  const reportPath = join(folder, "report.json");
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${reportPath}`];
  const command = [binOf("vitest", "vitest"), "run", ...reporters, ...filters];
  const options = { stdio: ["ignore", "inherit", "inherit"], limitMs: TESTS_LIMIT_MS };
  const outcome = await runProgram(process.execPath, command, options);
  let report;
  try {
    report = JSON.parse(readFileSync(reportPath, "utf8"));
  } catch {}
  rmSync(folder, { recursive: true, force: true });
  const tests = tallyReport(report, outcome === 0);
  tally.passed += tests.passed;
  tally.failed += tests.failed;
}

exitOnSignals();
process.chdir(ROOT);
// For hosts that are network namespaces; without it the tests over several hosts are left out.
const hasIp = spawnSync("ip", ["-V"], { stdio: "ignore" }).status === 0;
const isReady = await setUpOrExplain({ wanted: hasIp ? [] : ["iproute2"] });
count("build", isReady);
if (isReady) {
  await check("types", binOf("typescript", "tsc"), "-p", "tsconfig.json");
  await check("lint and format", binOf("@biomejs/biome", "biome"), "check", "--error-on-warnings", ".");
  await runTests();
}
process.exitCode = tally.failed === 0 ? 0 : 1;
console.log(`${tally.passed} passed, ${tally.failed} failed`);
