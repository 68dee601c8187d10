// Steps of DualPipe until the process is killed; a line says when this process has begun.
import { processPlacement } from "../../src/launch/process-placement.ts";
import { runRanks } from "../../src/launch/run-ranks.ts";
import type { MlpSteps } from "./mlp-steps-rank.ts";

const data: MlpSteps = { hidden: 64, numMicroBatches: 12, numSteps: 1_000_000, onStep: true };
await runRanks(new URL("./mlp-steps-rank.ts", import.meta.url), {
  numRanks: 4,
  data,
  device: "cuda",
  processes: await processPlacement(4),
  onReport: () => console.log("a step"),
});
