// Prints what each rank of this process found wrong with a process group of cards.
import { processPlacement } from "../../src/launch/process-placement.ts";
import { runRanks } from "../../src/launch/run-ranks.ts";
import { NUM_CONFORMANCE_RANKS } from "../ranks/conformance.ts";

const failures = await runRanks(new URL("../ranks/conformance-rank.ts", import.meta.url), {
  numRanks: NUM_CONFORMANCE_RANKS,
  device: "cuda",
  timeoutMs: 30_000,
  processes: await processPlacement(NUM_CONFORMANCE_RANKS),
});
console.log(JSON.stringify(failures));
