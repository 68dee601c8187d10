import { processPlacement } from "../../src/launch/process-placement.ts";
import { runRanks } from "../../src/launch/run-ranks.ts";

const numRanks = 4;
const processes = await processPlacement(numRanks);
try {
  await runRanks(new URL("./dying-rank.ts", import.meta.url), { numRanks, processes });
} catch (error) {
  const { code, message } = error as { code?: string; message: string };
  console.log(`${code}: ${message}`);
}
