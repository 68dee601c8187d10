import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { RankMeasurement } from "./step-spans.ts";
import type { Workload } from "./workload.ts";

// Relative to build/bench, where this file runs as JavaScript.
const LAUNCHER = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const PROGRAM = fileURLToPath(new URL("./pipeline-process.js", import.meta.url));
const LIMIT_MS = 20 * 60_000;

/** Runs the pipeline with one process per rank, connected by Gloo. @returns What each measured, by rank. */
export async function measureProcesses(workload: Workload): Promise<RankMeasurement[]> {
  const { numRanks } = workload.configuration;
  const args = ["launch", "--nproc-per-node", String(numRanks), PROGRAM, JSON.stringify(workload)];
  const { stdout } = await promisify(execFile)(process.execPath, [LAUNCHER, ...args], {
    timeout: LIMIT_MS,
    maxBuffer: 256 * 1024 * 1024,
  });
  return stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line.replace(/^\[process \d+\] /, "")) as RankMeasurement & { rank: number })
    .sort((a, b) => a.rank - b.rank);
}
