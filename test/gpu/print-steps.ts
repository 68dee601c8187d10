// Prints losses and gradients of three steps of DualPipe, on 4 ranks and the cards that are visible: of all ranks, or
// in a run of several processes of those of this one.
import { processPlacement } from "../../src/launch/process-placement.ts";
import { runRanks } from "../../src/launch/run-ranks.ts";
import type { MlpSteps, MlpStepsReport } from "./mlp-steps-rank.ts";

const data: MlpSteps = { hidden: 64, numMicroBatches: 12, numSteps: 3 };
const ranks = await runRanks<MlpStepsReport>(new URL("./mlp-steps-rank.ts", import.meta.url), {
  numRanks: 4,
  data,
  device: "cuda",
  processes: await processPlacement(4),
});
console.log(JSON.stringify(ranks.map(({ losses, gradients }) => ({ losses, gradients }))));
