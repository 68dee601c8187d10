import { runRanks } from "../../src/launch/run-ranks.ts";

/** A rank's program in a module that starts the run itself, without a check for the main thread. */
export default function run(): void {}

await runRanks(new URL(import.meta.url), { numRanks: 2 });
