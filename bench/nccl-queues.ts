/**
 * What head-of-line blocking costs: the time of a step of the programs of torch.distributed.pipelining, as recorded
 * from its runtime, with the communicators that NCCL can have.
 *
 * node --import tsx bench/nccl-queues.ts [LINK]
 *
 * F = I = W = 1, B = 2, and a transfer takes LINK (0.1) once both sides have started. Every time is a maximum of
 * earlier times plus a duration, by the rules of src/schedule/verify/nccl/queues.ts.
 */
import { readFileSync } from "node:fs";
import { Cells } from "../src/schedule/program/cells.ts";
import { Opcode } from "../src/schedule/program/opcode.ts";
import { COMMUNICATORS } from "../src/schedule/verify/nccl/communicators.ts";
import { Postings } from "../src/schedule/verify/nccl/postings.ts";
import {
  type RecordedProgram,
  readRecorded,
  type TorchCommunicators,
} from "../test/schedule/recorded-runtime.ts";

const LINK = Number(process.argv[2] ?? 0.1);
const path = new URL("../test/schedule/golden/torch-programs-2.13.json", import.meta.url);
const { programs } = JSON.parse(readFileSync(path, "utf8")) as { programs: RecordedProgram[] };

/** The time of a step, in units of a forward. */
function stepTime(recorded: RecordedProgram, communicators: TorchCommunicators): number {
  const { program, rules } = readRecorded(recorded, communicators);
  const postings = new Postings(program, new Cells(program), rules);
  const known = new Map<string, number>();
  const once = (key: string, compute: () => number): number => {
    const time = known.get(key) ?? compute();
    known.set(key, time);
    return time;
  };
  const computed = (rank: number, position: number): number =>
    position < 0
      ? 0
      : once(`computation ${rank} ${position}`, () => {
          const opcode = program.ranks[rank]!.opcodes[postings.computations[rank]![position]!]!;
          const waits = postings.waits[rank]![position]!.map(ended);
          return Math.max(computed(rank, position - 1), ...waits) + (opcode === Opcode.B ? 2 : 1);
        });
  const started = (group: number): number =>
    once(`start ${group}`, () => {
      const { rank, numComputations, previous } = postings.groups[group]!;
      return Math.max(computed(rank, numComputations - 1), previous < 0 ? 0 : ended(previous));
    });
  const ended = (group: number): number =>
    once(`end ${group}`, () => {
      const { rank, actionIndices } = postings.groups[group]!;
      const partners = actionIndices.map((index) => started(postings.partnerOf(rank, index).group));
      return Math.max(started(group), ...partners) + LINK;
    });
  return Math.max(...postings.computations.map(({ length }, rank) => computed(rank, length - 1)));
}

console.log(["schedule", "ranks", "micro-batches", "torch's", ...COMMUNICATORS].join("\t"));
for (const recorded of programs) {
  if (recorded.schedule.endsWith("deferred")) continue;
  const times = [
    stepTime(recorded, { alone: "pair", batched: "world" }),
    ...COMMUNICATORS.map((each) => stepTime(recorded, { alone: each, batched: each })),
  ];
  const { schedule, ranks, microBatches } = recorded;
  console.log([schedule, ranks, microBatches, ...times.map((time) => time.toFixed(1))].join("\t"));
}
