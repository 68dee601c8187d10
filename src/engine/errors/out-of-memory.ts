// The error of a step that did not fit into memory.
//
// LibTorch says how many bytes it wanted, and for which operator. That does not help: the operator is the one that
// happened to come last. What helps is who has the rest (weights, gradients, what was there before the step, such as an
// optimizer's state, and activations), and what would need less. A schedule decides how many micro-batches a rank holds
// at once, so other schedules are compared by the share of the model's activations that their fullest rank holds.
import type { Parameter } from "../../autograd/parameter.ts";
import { peakActivations } from "../../schedule/program/peak-activations.ts";
import type { Program } from "../../schedule/program/program.ts";
import { ScheduleError } from "../../schedule/program/schedule-error.ts";
import { buildProgram, schedules } from "../../schedule/schedules/registry.ts";
import type { Device } from "../../tensor/device.ts";
import { bytesPerElement } from "../../tensor/dtype.ts";
import type { Tensor } from "../../tensor/tensor.ts";

/** What a rank knows of its memory when a step fails. */
export interface MemoryAccount {
  readonly device: Pick<Device, "name" | "memory">;
  /** The bytes of the device's tensors when the step began. */
  readonly liveBytesBefore: number;
  readonly parameters: readonly Parameter[];
  /** The most micro-batches whose activations this rank held in the step, over all its stages. */
  readonly maxInFlight: number;
  readonly program: Program;
}

/** The account in words, with advice. @param problem LibTorch's message. */
export function explainOutOfMemory(problem: string, account: MemoryAccount): string {
  const { device, liveBytesBefore, parameters, maxInFlight, program } = account;
  const weights = bytesOf(parameters);
  const gradients = bytesOf(parameters.map(({ grad }) => grad).filter((grad) => grad !== null));
  const before = Math.max(0, liveBytesBefore - weights);
  const activations = Math.max(0, device.memory().liveBytes - weights - before - gradients);
  const parts = [
    `weights ${inUnits(weights)}`,
    `gradients ${inUnits(gradients)}`,
    `${inUnits(activations)} of activations, of up to ${maxInFlight} micro-batches in flight`,
    `${inUnits(before)} from before the step, such as an optimizer's state or other ranks of the device`,
  ];
  return `${problem}; on ${device.name} are ${parts.join(", ")}; ${adviceFor(program)}`;
}

function adviceFor(program: Program): string {
  const lighter = lighterSchedule(program);
  return [
    "to need less, recompute activations (checkpoint), cut the batch into more and smaller micro-batches, or use more ranks",
    ...(lighter === undefined ? [] : [lighter]),
  ].join("; ");
}

/** The schedule for the same ranks and micro-batches that holds the fewest activations, if it holds fewer. */
function lighterSchedule(program: Program): string | undefined {
  const { numMicroBatches } = program;
  const numRanks = program.ranks.length;
  const shareOf = (each: Program) => Math.max(...peakActivations(each)) / each.numStages;
  let [name, least] = ["", shareOf(program)];
  for (const other of schedules) {
    try {
      const share = shareOf(buildProgram(other.name, { numRanks, numMicroBatches }));
      if (share < least) [name, least] = [other.name, share];
    } catch (error) {
      // It does not exist for these sizes.
      if (!(error instanceof ScheduleError)) throw error;
    }
  }
  if (name === "") return undefined;
  const percent = Math.round((100 * least) / shareOf(program));
  return `the schedule ${name} holds ${percent} % of the activations that ${program.schedule} does`;
}

function bytesOf(tensors: Iterable<Tensor>): number {
  let bytes = 0;
  for (const { numElements, dtype } of tensors) bytes += numElements * bytesPerElement(dtype);
  return bytes;
}

/** In the unit that leaves one to three digits before the point; 1 GB is 10^9 bytes. */
function inUnits(bytes: number): string {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let unit = 0;
  let value = bytes;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? value : value.toPrecision(3)} ${units[unit]}`;
}
