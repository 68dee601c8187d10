// `npm run test:gpu [-- FILTER...]`: the tests that need a card. Without one they are skipped, which is no failure.
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { limitMinutes, runVitest } from "./run-vitest.mjs";
import { exitOnSignals, ROOT, setUpOrExplain } from "./setup.mjs";

/** Why there is no card, in the words of the program; undefined when there is one. */
async function whyNoCard() {
  const { DeviceError, Runtime } = await import(pathToFileURL(join(ROOT, "dist", "index.js")).href);
  try {
    Runtime.load({ device: "cuda" });
    return undefined;
  } catch (error) {
    if (error instanceof DeviceError) return error.problem;
    throw error;
  }
}

exitOnSignals();
process.chdir(ROOT);
if (!(await setUpOrExplain())) process.exitCode = 1;
else {
  const problem = await whyNoCard();
  if (problem !== undefined) console.log(`skipped: ${problem}`);
  else {
    const vitest = join(ROOT, "node_modules", "vitest", "vitest.mjs");
    const args = ["--config", "vitest.gpu.config.ts", ...process.argv.slice(2)];
    const { tally, problem: overLimit } = await runVitest(vitest, args, limitMinutes());
    if (overLimit) console.log(`FAILED: ${overLimit}`);
    process.exitCode = tally.failed === 0 && overLimit === undefined ? 0 : 1;
    console.log(`${tally.passed} passed, ${tally.failed} failed`);
  }
}
