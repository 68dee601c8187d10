// Prints losses and gradients of three steps of DualPipe, on 4 ranks and the cards that are visible.
import { runRanks } from "../../src/launch/run-ranks.ts";
import type { MlpSteps, MlpStepsReport } from "./mlp-steps-rank.ts";

const data: MlpSteps = { hidden: 64, numMicroBatches: 12, numSteps: 3 };
const ranks = await runRanks<MlpStepsReport>(new URL("./mlp-steps-rank.ts", import.meta.url), {
  numRanks: 4,
  data,
  device: "cuda",
});
console.log(JSON.stringify(ranks.map(({ losses, gradients }) => ({ losses, gradients }))));
