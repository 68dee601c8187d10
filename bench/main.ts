import { readFileSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import { parseArgs } from "node:util";
import { Runtime } from "../src/index.ts";
import { measure, type Result } from "./measure.ts";
import { measureOperators } from "./operators.ts";
import { checkReference, type Reference } from "./reference.ts";
import { formatReport, type Report, replaceReport } from "./report.ts";
import { workloads } from "./workload.ts";

const USAGE = `npm run bench -- [options]
  --reference PATH  a checkout of the reference implementation, to measure as well
  --python PROGRAM  the Python with PyTorch that runs it (default: /usr/bin/python3)
  --rounds N        how many times to measure all programs in turn (default: 3)
  --quick           the smallest configuration, a few steps, one round: does everything run?
  --json FILE       write all figures
  --write FILE      put the tables between the markers of a Markdown document`;

interface Options {
  readonly isQuick: boolean;
  readonly numRounds: number;
  readonly reference: Reference | undefined;
  readonly json: string | undefined;
  readonly write: string | undefined;
}

/** Runs the benchmark. @returns The exit status. */
export async function main(args: readonly string[]): Promise<number> {
  let options: Options;
  try {
    options = parseOptions(args);
  } catch (error) {
    console.error(`${(error as Error).message}\n${USAGE}`);
    return 2;
  }
  const report = await run(options);
  const text = formatReport(report);
  console.log(text);
  if (options.json) writeFileSync(options.json, `${JSON.stringify(report, undefined, 2)}\n`);
  if (options.write) writeFileSync(options.write, replaceReport(readFileSync(options.write, "utf8"), text));
  return 0;
}

function parseOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      reference: { type: "string" },
      python: { type: "string", default: "/usr/bin/python3" },
      rounds: { type: "string" },
      quick: { type: "boolean", default: false },
      json: { type: "string" },
      write: { type: "string" },
    },
  });
  const numRounds = Number(values.rounds ?? (values.quick ? 1 : 3));
  if (!Number.isInteger(numRounds) || numRounds < 1)
    throw new Error(`dualpipe: --rounds must be a whole number, 1 or more; got ${values.rounds}`);
  const reference =
    values.reference === undefined ? undefined : { checkout: values.reference, python: values.python };
  if (reference) checkReference(reference);
  return { isQuick: values.quick, numRounds, reference, json: values.json, write: values.write };
}

async function run({ isQuick, numRounds, reference }: Options): Promise<Report> {
  let referenceTorch: string | undefined;
  const runtime = Runtime.load();
  const hasGloo = runtime.addon.processes.hasGloo;
  const results: Result[] = [];
  for (const workload of workloads(isQuick))
    results.push(
      await measure(workload, {
        numRounds,
        reference,
        hasGloo,
        onProgress: (line) => console.error(`dualpipe: ${line}`),
        onTorchVersion: (version) => {
          referenceTorch = version;
        },
      }),
    );
  return {
    machine: {
      processor: cpus()[0]?.model ?? "unknown",
      numCores: availableParallelism(),
      node: process.versions.node,
      libtorch: runtime.addon.libtorchVersion,
      referenceTorch,
      hasGloo,
    },
    command: commandOf(isQuick, reference),
    numRounds,
    results,
    operators: measureOperators(runtime),
  };
}

/** The command line, without paths of this machine. */
function commandOf(isQuick: boolean, reference: Reference | undefined): string {
  const options = [...(isQuick ? ["--quick"] : []), ...(reference ? ["--reference PATH"] : [])];
  return ["npm run bench", ...(options.length > 0 ? ["--", ...options] : [])].join(" ");
}
