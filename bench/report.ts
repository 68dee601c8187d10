import { describe, type Program, type Result } from "./measure.ts";
import type { Row } from "./operators.ts";

/** Everything that one run measured, as `--json` writes it. */
export interface Report {
  readonly machine: Machine;
  readonly command: string;
  readonly numRounds: number;
  readonly results: readonly Result[];
  readonly operators: readonly Row[];
}

export interface Machine {
  readonly processor: string;
  readonly numCores: number;
  readonly node: string;
  readonly libtorch: string;
  /** LibTorch of the Python that ran the reference, if it was measured. */
  readonly referenceTorch: string | undefined;
  /** Whether this LibTorch has Gloo; without it no processes are measured. */
  readonly hasGloo: boolean;
}

const START = "<!-- the output of npm run bench -->";
const END = "<!-- end of the output -->";

/** The tables of a run, in Markdown. */
export function formatReport({ machine, command, numRounds, results, operators }: Report): string {
  const { processor, numCores, node, libtorch, referenceTorch, hasGloo } = machine;
  const reference =
    referenceTorch === undefined
      ? "The reference was left out; `--reference PATH` takes a checkout of it."
      : `The reference ran on PyTorch ${referenceTorch}.`;
  const processes = hasGloo ? "" : "\nThe processes were left out, because this LibTorch has no Gloo.";
  return [
    `\`${command}\`, ${numRounds} ${numRounds === 1 ? "round" : "rounds"}, on ${processor}, ${numCores} cores, Node ${node}, LibTorch ${libtorch}.\n${reference}${processes}`,
    formatTable(
      ["configuration", "time of", "median ms", "min to max ms", "steps"],
      results.flatMap((result) => timeRows(result)),
    ),
    formatTable(
      ["configuration", ...RATIOS.map(({ name }) => name)],
      results.map((result) => [
        describe(result.configuration),
        ...RATIOS.map(({ of, by, digits }) => ratio(result, of, by, digits)),
      ]),
    ),
    formatTable(
      ["operation", "ns"],
      operators.map(({ name, value, unit }) => [name, unit === "ns" ? String(value) : `${value} ${unit}`]),
    ),
  ].join("\n\n");
}

const NAMES: readonly (readonly [Program, string])[] = [
  ["pipeline", "a step of dualpipe, ranks in threads"],
  ["processes", "a step of dualpipe, ranks in processes over Gloo"],
  ["reference", "a step of the reference"],
  ["referenceWithSum", "the reference, gradients summed"],
  ["sequential", "a sequential step, one core"],
  ["products", "its matrix products alone"],
];

const RATIOS: readonly {
  readonly name: string;
  readonly of: Program;
  readonly by: Program;
  readonly digits: number;
}[] = [
  { name: "faster than the reference", of: "reference", by: "pipeline", digits: 2 },
  { name: "over Gloo, faster than the reference", of: "reference", by: "processes", digits: 2 },
  { name: "faster than it with gradients summed", of: "referenceWithSum", by: "pipeline", digits: 2 },
  {
    name: "over Gloo, faster than it with gradients summed",
    of: "referenceWithSum",
    by: "processes",
    digits: 2,
  },
  { name: "faster than one core", of: "sequential", by: "pipeline", digits: 2 },
  { name: "share of the products' speed", of: "products", by: "pipeline", digits: 3 },
];

function timeRows({ configuration, times }: Result): string[][] {
  return NAMES.flatMap(([program, name]) => {
    const time = times[program];
    if (time === undefined) return [];
    const range = `${time.minMs.toFixed(2)} to ${time.maxMs.toFixed(2)}`;
    return [[describe(configuration), name, time.medianMs.toFixed(2), range, String(time.numSteps)]];
  });
}

function ratio({ times }: Result, of: Program, by: Program, digits: number): string {
  const [a, b] = [times[of], times[by]];
  return a && b ? (a.medianMs / b.medianMs).toFixed(digits) : "-";
}

function formatTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(header), line(header.map(() => "---")), ...rows.map(line)].join("\n");
}

/** Puts the report between the markers of a document. @throws Error when the document lacks them. */
export function replaceReport(document: string, report: string): string {
  const [start, end] = [document.indexOf(START), document.indexOf(END)];
  if (start < 0 || end < start)
    throw new Error(`dualpipe: --write needs a document with the lines "${START}" and "${END}"`);
  return `${document.slice(0, start + START.length)}\n\n${report}\n\n${document.slice(end)}`;
}
