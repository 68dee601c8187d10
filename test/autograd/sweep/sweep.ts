/**
 * Every operator of this LibTorch, by name: which ones LibTorch differentiates, and whether ours agree.
 *
 * The list is the dispatcher's. What cannot have a gradient is put aside by its schema; what remains is called. The
 * calls are made in a program of their own, because some internal operators end the process when their arguments make
 * no sense to them: the next program then goes on after that operator.
 */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Addon, NativeSchema } from "../../../src/native/addon.ts";
import type { Outcome } from "./compare.ts";
import type { Line } from "./worker.ts";

/** What came of an operator. */
export type Finding =
  | Outcome["kind"]
  /** It overwrites an argument: refused, because a backward may need the old elements. */
  | "overwrites"
  /** It draws from the generator of the whole process: refused, because ranks share that. */
  | "draws"
  /** It takes or returns no tensor, or LibTorch has nothing above its kernel. */
  | "nothing to differentiate"
  /** It has no kernel for a CPU, or for floating elements, or takes what JavaScript has no value for. */
  | "not callable here"
  | "ends the process";

export interface Found {
  /** With its overload, without `aten::`. */
  readonly name: string;
  readonly finding: Finding;
  /** For one that agrees, empty when it does so bit for bit. */
  readonly detail: string;
}

/** Internal operators that LibTorch 1.13 does not protect from arguments without sense. */
const UNPROTECTED = new Set([
  "_batch_norm_impl_index_backward",
  "_cholesky_solve_helper",
  "_convert_indices_from_csr_to_coo",
  "_histogramdd_bin_edges",
  "_histogramdd_from_bin_cts",
  "_histogramdd_from_bin_tensors",
  "_symeig_helper",
  "_thnn_differentiable_gru_cell_backward",
  "_transform_bias_rescale_qkv",
  "histogram.bin_ct",
  "histogram.bins_tensor",
  "histogramdd",
  "histogramdd.TensorList_bins",
  "histogramdd.int_bins",
]);

/** Compares all operators of the addon's LibTorch. */
export async function sweep(addon: Addon): Promise<Found[]> {
  const schemas = addon.schemas("aten::");
  const found = new Map<number, Found>();
  const add = (position: number, finding: Finding, detail = "") =>
    found.set(position, { name: nameOf(schemas[position]!), finding, detail });
  let waiting: number[] = [];
  for (const [position, schema] of schemas.entries()) {
    const reason = putAside(schema);
    if (reason === undefined) waiting.push(position);
    else add(position, reason);
  }
  while (waiting.length > 0) {
    const broken = await compareInProgram(waiting, (position, outcome) => {
      const detail = "problem" in outcome ? outcome.problem : outcome.isExact ? "" : "not bit for bit";
      add(position, isNotCallable(schemas[position]!, outcome) ? "not callable here" : outcome.kind, detail);
    });
    if (broken !== undefined) add(broken, "ends the process");
    waiting = waiting.filter((position) => !found.has(position));
  }
  return [...found].sort(([a], [b]) => a - b).map(([, each]) => each);
}

function nameOf({ name, overload }: NativeSchema): string {
  return name.replace("aten::", "") + (overload === "" ? "" : `.${overload}`);
}

function putAside(schema: NativeSchema): Finding | undefined {
  const isTensor = (type: string) => type.startsWith("Tensor");
  if (schema.arguments.some(({ isWritten }) => isWritten)) return "overwrites";
  const hasTensors = schema.arguments.some(({ type }) => isTensor(type)) && schema.results.some(isTensor);
  if (!hasTensors || schema.gradient === "none") return "nothing to differentiate";
  if (schema.isRandom && !schema.arguments.some(({ type }) => type.startsWith("Generator"))) return "draws";
  return UNPROTECTED.has(nameOf(schema)) ? "ends the process" : undefined;
}

function isNotCallable(schema: NativeSchema, outcome: Outcome): boolean {
  if (outcome.kind !== "no arguments") return false;
  const isForeign = ({ type }: { type: string }) => /^(str\[\]|Scalar\[\]|Storage|Device$)/.test(type);
  const isName = ({ name, type }: { name: string; type: string }) => /^str/.test(type) && /dim/.test(name);
  return (
    schema.arguments.some((each) => isForeign(each) || isName(each)) ||
    /backend|not implemented for 'Double'|not compiled|not built with|overrideable/.test(outcome.problem)
  );
}

/** @returns The operator that ended the program, if one did. */
async function compareInProgram(
  positions: readonly number[],
  onOutcome: (position: number, outcome: Outcome) => void,
): Promise<number | undefined> {
  const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));
  const loader = ["--import", path("../../register-tsx.mjs")];
  const program = spawn(process.execPath, [...loader, path("worker.ts"), JSON.stringify(positions)], {
    // LibTorch warns of what is to come, and of what it would do elsewhere.
    stdio: ["ignore", "pipe", "ignore"],
  });
  const ended = new Promise<string>((resolve) => {
    program.once("close", (code, signal) => resolve(signal ?? `${code}`));
  });
  let current: number | undefined;
  for await (const text of createInterface({ input: program.stdout })) {
    const line: Line = JSON.parse(text);
    current = "begins" in line ? line.begins : undefined;
    if ("ends" in line) onOutcome(line.ends, line.outcome);
  }
  const how = await ended;
  if (current === undefined && how !== "0")
    throw new Error(`the program that compares operators ended: ${how}`);
  return current;
}

/** What a sweep found, to read: the counts, and the names wherever there are not too many. */
export function describeSweep(found: readonly Found[], libtorchVersion: string): string {
  const of = (...findings: readonly Finding[]) => found.filter(({ finding }) => findings.includes(finding));
  const names = (list: readonly Found[]) => list.map(({ name }) => name).join(" ") || "none";
  const agreeing = of("agrees");
  const differentiated = of("agrees", "differs", "refused");
  const rounded = agreeing.filter(({ detail }) => detail !== "");
  const count = (finding: Finding, what: string) => `  ${of(finding).length} ${what}`;
  return [
    `LibTorch ${libtorchVersion}: ${agreeing.length} of ${differentiated.length} operators that it differentiates have its gradients here, whole and split`,
    `  (${new Set(agreeing.map(({ name }) => name.split(".")[0])).size} names; ${agreeing.length - rounded.length} bit for bit; but for rounding: ${names(rounded)})`,
    `  with other gradients: ${names(of("differs"))}; refused: ${names(of("refused"))}`,
    `Of the other ${found.length - differentiated.length} schemas:`,
    count("overwrites", "overwrite an argument, in place or `out`, and are refused"),
    count("draws", `draw from the generator of the process, and are refused: ${names(of("draws"))}`),
    count("nothing to differentiate", "take or return no tensor"),
    count("no gradient", "have no gradient in LibTorch, with the arguments that it took"),
    count(
      "not callable here",
      "have no kernel for this device or for floating elements, or take named dimensions",
    ),
    count("no arguments", `were called with no arguments that LibTorch took: ${names(of("no arguments"))}`),
    count(
      "ends the process",
      `end the process with arguments that make no sense: ${names(of("ends the process"))}`,
    ),
  ].join("\n");
}
