// One process of a pipeline over Gloo, as `dualpipe launch` starts it: measures its rank and prints one line of JSON.
import { processPlacement, runRanks } from "../src/index.ts";
import type { RankMeasurement } from "./step-spans.ts";
import type { Workload } from "./workload.ts";

const workload = JSON.parse(process.argv[2]!) as Workload;
const { numRanks } = workload.configuration;
const processes = await processPlacement(numRanks);
const program = new URL("./pipeline-rank.ts", import.meta.url);
const [measurement] = await runRanks<RankMeasurement>(program, { numRanks, data: workload, processes });
process.stdout.write(`${JSON.stringify({ rank: processes!.process, ...measurement })}\n`);
