// `npm run bench -- predictions RANKS STEPS`: the time of the example's step, as the simulator predicts it from the
// run's own profile and as measured.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseProfile, planFromProfile, schedules } from "../src/schedule/index.ts";
import { loadConfig } from "../src/trainer/config/config.ts";
import { train } from "../src/trainer/train.ts";

const noOutput = { isTTY: false, write: () => true };

export async function main([ranks = "4", steps = "40"]: readonly string[]): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "dualpipe-predictions-"));
  console.log("| schedule | ranks | predicted | measured | off by |\n| --- | --- | --- | --- | --- |");
  try {
    for (const { name } of schedules) {
      const config = await loadConfig("examples/gpt/config.yaml", [
        `pipeline={schedule: ${name}, ranks: ${ranks}, microBatches: 8}`,
        "model.tieEmbeddings=false",
        `training.steps=${steps}`,
        "learningRateSchedule.warmupSteps=5",
        `validation={everySteps: ${steps}, numBatches: 1}`,
        "sample.numTokens=1",
        `output={dir: ${join(folder, name)}, saveWeights: false, traceLastStep: false}`,
      ]);
      const profilePath = join(folder, `${name}.json`);
      await train({ config, output: noOutput, profilePath });
      const { predictedMs, measuredMs } = planFromProfile(parseProfile(readFileSync(profilePath, "utf8")));
      const off = 100 * (predictedMs / measuredMs - 1);
      console.log(
        `| \`${name}\` | ${ranks} | ${predictedMs.toFixed(1)} ms | ${measuredMs.toFixed(1)} ms | ${off.toFixed(1)} % |`,
      );
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return 0;
}
