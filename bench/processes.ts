import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { DeviceChoice } from "../src/index.ts";

// Relative to build/bench, where this file runs as JavaScript.
const LAUNCHER = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const PROGRAM = fileURLToPath(new URL("./rank-process.js", import.meta.url));
const LIMIT_MS = 20 * 60_000;

/**
 * Runs a rank program with one process per rank.
 * @param program Relative to this folder.
 * @param env More variables for them.
 * @returns What each measured, by rank.
 */
export async function measureProcesses<Measurement>(
  program: string,
  data: unknown,
  numRanks: number,
  device: DeviceChoice,
  env: NodeJS.ProcessEnv = {},
): Promise<Measurement[]> {
  const args = [
    "launch",
    "--nproc-per-node",
    String(numRanks),
    PROGRAM,
    program,
    JSON.stringify(data),
    device,
  ];
  const { stdout } = await promisify(execFile)(process.execPath, [LAUNCHER, ...args], {
    env: { ...process.env, ...env },
    timeout: LIMIT_MS,
    maxBuffer: 256 * 1024 * 1024,
  });
  return stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line.replace(/^\[process \d+\] /, "")) as Measurement & { rank: number })
    .sort((a, b) => a.rank - b.rank);
}
