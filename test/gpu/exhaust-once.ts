// Prints what print-steps.ts prints, of the ranks of this process. In the first attempt of a launcher, the last rank
// asks for more memory than any card has.
import { processPlacement } from "../../src/launch/process-placement.ts";
import { runRanks } from "../../src/launch/run-ranks.ts";
import type { MlpSteps, MlpStepsReport } from "./mlp-steps-rank.ts";

const exhaustsMemory = process.env.TORCHELASTIC_RESTART_COUNT === "0";
const data: MlpSteps = { hidden: 64, numMicroBatches: 12, numSteps: 3, exhaustsMemory };
const ranks = await runRanks<MlpStepsReport>(new URL("./mlp-steps-rank.ts", import.meta.url), {
  numRanks: 4,
  data,
  device: "cuda",
  processes: await processPlacement(4),
});
for (const { losses } of ranks) if (losses[0]!.length > 0) console.log(`losses ${JSON.stringify(losses)}`);
