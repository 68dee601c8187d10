// Runs workloads on the cards of this machine, as ranks in threads and as the programs of peers.py.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { ParseArgsConfig } from "node:util";
import { runRanks } from "../../src/index.ts";
import { measureProcesses } from "../processes.ts";
import { stepTimesMs } from "../step-spans.ts";
import type { GpuResult } from "./report.ts";
import type { GpuMeasurement, MeasuredWorkload } from "./step-rank.ts";
import { type GpuWorkload, nameOf } from "./workload.ts";

/** The options of every benchmark on cards. */
export const GPU_OPTIONS = {
  reference: { type: "string" },
  peers: { type: "string", default: "bench/gpu/peers.py" },
  python: { type: "string", default: "python3" },
  json: { type: "string" },
} satisfies ParseArgsConfig["options"];

export const GPU_OPTIONS_USAGE = `  --reference PATH  a checkout of the Python DualPipe, to measure as well
  --peers SCRIPT    the script that measures other programs; "none" leaves them out (default: bench/gpu/peers.py)
  --python PROGRAM  the Python with PyTorch and CUDA that runs them (default: python3)
  --json FILE       write all figures`;

export interface PeerOptions {
  readonly reference: string | undefined;
  readonly peers: string;
  readonly python: string;
}

/** @throws Error unless the reference is a checkout of the Python DualPipe */
export function checkReferenceCheckout({ reference }: PeerOptions): void {
  if (reference !== undefined && !existsSync(join(reference, "dualpipe", "dualpipe.py")))
    throw new Error(`dualpipe: --reference must be a checkout of the Python DualPipe; got ${reference}`);
}

/** What carries tensors between the cards of processes: CUDA IPC, or NCCL. */
export type ProcessCards = "auto" | "nccl";

/** What all ranks measured, by rank: threads of this process, or processes. */
export async function runWorkload(
  data: MeasuredWorkload,
  numRanks: number,
  processes?: ProcessCards,
): Promise<GpuMeasurement[]> {
  if (processes !== undefined)
    return measureProcesses("./gpu/step-rank.ts", data, numRanks, "cuda", { DUALPIPE_CARDS: processes });
  const program = new URL("./step-rank.ts", import.meta.url);
  return runRanks<GpuMeasurement>(program, { numRanks, data, device: "cuda" });
}

/** The ranks' measurements as one row of a table. */
export function resultOf(workload: string, program: string, ranks: readonly GpuMeasurement[]): GpuResult {
  const times = stepTimesMs(ranks.map(({ spans }) => spans)).sort((a, b) => a - b);
  return {
    workload,
    program,
    medianMs: times[Math.floor(times.length / 2)]!,
    peakBytes: Math.max(...ranks.map(({ peakBytes }) => peakBytes)),
    launchMs: Math.max(...ranks.map(({ launchMs }) => launchMs)),
    numSynchronizations: Math.max(...ranks.map((rank) => rank.numSynchronizations)),
  };
}

/** Runs `peers.py` on the same workloads, on the first cards. */
export function measurePeers(
  { reference, peers, python }: PeerOptions,
  workloads: readonly GpuWorkload[],
  numCards: number,
): GpuResult[] {
  if (peers === "none") return [];
  const cards = Array.from({ length: numCards }, (_, card) => card).join(",");
  const child = spawnSync(python, [peers, reference ?? "-"], {
    input: JSON.stringify(workloads),
    encoding: "utf8",
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...process.env, CUDA_VISIBLE_DEVICES: cards },
    maxBuffer: 1 << 26,
  });
  const results: GpuResult[] = [];
  let workload = "";
  for (const line of child.stdout.split("\n").filter((line) => line.startsWith("{"))) {
    const row = JSON.parse(line) as Partial<GpuResult> & { workload?: GpuWorkload };
    if (typeof row.workload === "object") workload = nameOf(row.workload);
    else results.push({ ...(row as GpuResult), workload });
  }
  if (child.status !== 0) console.error(`dualpipe: ${python} ${peers} ended with status ${child.status}`);
  return results;
}
