// A process with one rank, as `dualpipe launch` starts it: runs the rank program of its first argument on the data of
// its second, on the device of its third, and prints one line of JSON.
import { type DeviceChoice, processPlacement, runRanks } from "../src/index.ts";

const [program, data, device] = process.argv.slice(2) as [string, string, DeviceChoice];
const numRanks = Number(process.env.WORLD_SIZE);
const processes = await processPlacement(numRanks);
const [measurement] = await runRanks<object>(new URL(program, import.meta.url), {
  numRanks,
  data: JSON.parse(data) as unknown,
  device,
  processes,
});
process.stdout.write(`${JSON.stringify({ rank: processes?.process ?? 0, ...measurement })}\n`);
