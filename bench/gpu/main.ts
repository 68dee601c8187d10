import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { parseArgs } from "node:util";
import { Runtime } from "../../src/index.ts";
import { formatGpuReport, type GpuReport, type GpuResult } from "./report.ts";
import {
  checkReferenceCheckout,
  GPU_OPTIONS,
  GPU_OPTIONS_USAGE,
  measurePeers,
  type PeerOptions,
  type ProcessCards,
  resultOf,
  runWorkload,
} from "./run-workload.ts";
import type { MeasuredWorkload } from "./step-rank.ts";
import { nameOf, WORKLOADS } from "./workload.ts";

const USAGE = `npm run bench -- gpu [options]      ranks on the cards of this machine, next to other programs
${GPU_OPTIONS_USAGE}`;

interface Variant {
  readonly useGraphs: boolean;
  readonly shardUpdates: boolean;
  readonly processes?: ProcessCards;
}

const VARIANTS: readonly Variant[] = [
  { useGraphs: false, shardUpdates: false },
  { useGraphs: false, shardUpdates: true },
  { useGraphs: true, shardUpdates: false },
  { useGraphs: false, shardUpdates: false, processes: "auto" },
  { useGraphs: false, shardUpdates: false, processes: "nccl" },
];

const LAYOUTS = { auto: "processes over CUDA IPC", nccl: "processes over NCCL" };

const nameOfVariant = ({ useGraphs, shardUpdates, processes }: Variant): string =>
  [
    `dualpipe, ranks in ${processes === undefined ? "threads" : LAYOUTS[processes]}`,
    `gradients summed ${shardUpdates ? "by the rank that updates" : "on both ranks"}`,
    ...(useGraphs ? ["a step as one graph"] : []),
  ].join(", ");

interface Options extends PeerOptions {
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
  const results: GpuResult[] = [];
  const report: GpuReport = {
    date: new Date().toISOString().slice(0, 10),
    cards: addon.cuda.cards().map(({ name }) => name),
    versions: { libtorch: addon.libtorchVersion, cuda, driver, nccl, node: process.versions.node },
    results,
  };
  for await (const measured of measureAll(options, numCards)) {
    results.push(...measured);
    // After each, because a failure or a time limit must not cost the figures before it.
    if (options.json !== undefined) writeReport(options.json, report);
  }
  console.log(formatGpuReport(report));
  return 0;
}

function writeReport(path: string, report: GpuReport): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify(report, undefined, 2)}\n`);
}

function parseOptions(args: readonly string[]): Options {
  const { values } = parseArgs({ args: [...args], options: GPU_OPTIONS });
  const options = {
    reference: values.reference,
    json: values.json,
    peers: values.peers,
    python: values.python,
  };
  checkReferenceCheckout(options);
  return options;
}

async function* measureAll(options: Options, numCards: number): AsyncGenerator<readonly GpuResult[]> {
  for (const workload of WORKLOADS) {
    for (const variant of VARIANTS) {
      if (workload.model === "gpt" && variant.useGraphs) continue;
      console.error(`dualpipe: ${nameOf(workload)}: ${nameOfVariant(variant)}`);
      const { processes, ...options } = variant;
      const data: MeasuredWorkload = { ...workload, ...options, schedule: "dualpipe" };
      const ranks = await runWorkload(data, numCards, processes);
      yield [resultOf(nameOf(workload), nameOfVariant(variant), ranks)];
    }
  }
  yield measurePeers(options, WORKLOADS, numCards);
}
