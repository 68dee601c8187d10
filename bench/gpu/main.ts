import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { Runtime, runRanks } from "../../src/index.ts";
import { stepTimesMs } from "../step-spans.ts";
import { formatGpuReport, type GpuReport, type GpuResult } from "./report.ts";
import type { GpuMeasurement, MeasuredWorkload } from "./step-rank.ts";
import { type GpuWorkload, nameOf, WORKLOADS } from "./workload.ts";

const USAGE = `npm run bench -- gpu [options]      ranks on the cards of this machine, next to other programs
  --reference PATH  a checkout of the Python DualPipe, to measure as well
  --peers SCRIPT    the script that measures other programs; "none" leaves them out (default: bench/gpu/peers.py)
  --python PROGRAM  the Python with PyTorch and CUDA that runs them (default: python3)
  --json FILE       write all figures`;

const VARIANTS = [
  { useGraphs: false, shardUpdates: false },
  { useGraphs: false, shardUpdates: true },
  { useGraphs: true, shardUpdates: false },
];

const nameOfVariant = ({ useGraphs, shardUpdates }: MeasuredWorkload): string =>
  [
    "dualpipe, ranks in threads",
    `gradients summed ${shardUpdates ? "by the rank that updates" : "on both ranks"}`,
    ...(useGraphs ? ["a step as one graph"] : []),
  ].join(", ");

interface Options {
  readonly reference: string | undefined;
  readonly peers: string;
  readonly python: string;
  readonly json: string | undefined;
}

/** Runs the benchmark on all cards, one rank on each. @returns The exit status. */
export async function main(args: readonly string[]): Promise<number> {
  let options: Options;
  try {
    options = parseOptions(args);
  } catch (error) {
    console.error(`${(error as Error).message}\n${USAGE}`);
    return 2;
  }
  const { addon } = Runtime.load();
  const numCards = addon.cuda?.numCards() ?? 0;
  if (addon.cuda === null || numCards < 2) {
    console.error(`dualpipe: skipped: this benchmark needs 2 cards; found ${numCards}`);
    return 0;
  }
  const { runtime: cuda, driver, nccl } = addon.cuda.versions();
  const report: GpuReport = {
    date: new Date().toISOString().slice(0, 10),
    cards: addon.cuda.cards().map(({ name }) => name),
    versions: { libtorch: addon.libtorchVersion, cuda, driver, nccl, node: process.versions.node },
    results: await measureAll(options, numCards),
  };
  console.log(formatGpuReport(report));
  if (options.json !== undefined) {
    mkdirSync(dirname(options.json), { recursive: true });
    writeFileSync(options.json, `${JSON.stringify(report, undefined, 2)}\n`);
  }
  return 0;
}

function parseOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      reference: { type: "string" },
      peers: { type: "string", default: "bench/gpu/peers.py" },
      python: { type: "string", default: "python3" },
      json: { type: "string" },
    },
  });
  const { reference, peers, python, json } = values;
  if (reference !== undefined && !existsSync(join(reference, "dualpipe", "dualpipe.py")))
    throw new Error(`dualpipe: --reference must be a checkout of the Python DualPipe; got ${reference}`);
  return { reference, peers, python, json };
}

async function measureAll(options: Options, numCards: number): Promise<GpuResult[]> {
  const ours: GpuResult[] = [];
  for (const workload of WORKLOADS) {
    console.error(`dualpipe: ${nameOf(workload)}`);
    for (const variant of VARIANTS)
      if (workload.model === "mlp" || !variant.useGraphs)
        ours.push(await measureOurs({ ...workload, ...variant }, numCards));
  }
  return [...ours, ...measurePeers(options)];
}

async function measureOurs(data: MeasuredWorkload, numRanks: number): Promise<GpuResult> {
  const program = new URL(`./step-rank${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url);
  const ranks = await runRanks<GpuMeasurement>(program, { numRanks, data, device: "cuda" });
  const times = stepTimesMs(ranks.map(({ spans }) => spans)).sort((a, b) => a - b);
  return {
    workload: nameOf(data),
    program: nameOfVariant(data),
    medianMs: times[Math.floor(times.length / 2)]!,
    peakBytes: Math.max(...ranks.map(({ peakBytes }) => peakBytes)),
    launchMs: Math.max(...ranks.map(({ launchMs }) => launchMs)),
    numSynchronizations: Math.max(...ranks.map((rank) => rank.numSynchronizations)),
  };
}

/** Runs `peers.py` on the same workloads. */
function measurePeers({ reference, peers, python }: Options): GpuResult[] {
  if (peers === "none") return [];
  const child = spawnSync(python, [peers, reference ?? "-"], {
    input: JSON.stringify(WORKLOADS),
    encoding: "utf8",
    stdio: ["pipe", "pipe", "inherit"],
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
