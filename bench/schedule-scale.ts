import { InternalError } from "../src/errors/internal-error.ts";
import { buildProgram, countActions, lower, simulate, verify } from "../src/schedule/index.ts";

// Takes one process per size, because it reports the largest memory that the process ever had:
//   for size in "dualpipe 1024 4096" ...; do node --import tsx bench/schedule-scale.ts $size; done

const [name = "dualpipe", ranks = "1024", microBatches = "4096"] = process.argv.slice(2);

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

const atStart = cpuSeconds();
const startMs = performance.now();
const laps: string[] = [];
let last = atStart;
function lap<Result>(what: string, result: Result): Result {
  laps.push(`${what} ${(cpuSeconds() - last).toFixed(2)} s`);
  last = cpuSeconds();
  return result;
}

const program = lap(
  "generate",
  buildProgram(name, { numRanks: Number(ranks), numMicroBatches: Number(microBatches) }),
);
const lowered = lap("lower", lower(program));
const { problems } = lap("verify", verify(lowered));
const { makespan } = lap("simulate", simulate(lowered, { F: 1, I: 1, W: 1, link: { latency: 0.3 } }));
if (problems.length > 0) throw new InternalError(problems[0]!.message);

const numActions = countActions(lowered);
const seconds = cpuSeconds() - atStart;
process.stdout.write(
  `${name} ${ranks} x ${microBatches}: ${(countActions(program) / 1e6).toFixed(1)} million actions, ` +
    `${(numActions / 1e6).toFixed(1)} lowered; ${laps.join(", ")}; ` +
    `${seconds.toFixed(2)} s of CPU (${((performance.now() - startMs) / 1000).toFixed(2)} s by the clock), ` +
    `${((1e9 * seconds) / numActions).toFixed(0)} ns per action, ` +
    `${(process.resourceUsage().maxRSS / 1024).toFixed(0)} MB; makespan ${makespan.toFixed(1)}\n`,
);
