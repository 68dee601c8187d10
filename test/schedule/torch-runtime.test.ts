// What torch.distributed.pipelining posts, on NCCL. golden/torch_programs.py recorded it from torch's own runtime.
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type Program, verify } from "../../src/schedule/index.ts";
import { Cells } from "../../src/schedule/program/cells.ts";
import { checkNccl } from "../../src/schedule/verify/nccl/nccl.ts";
import { type RecordedProgram, readRecorded, type TorchCommunicators } from "./recorded-runtime.ts";

interface Recording {
  readonly torch: string;
  readonly programs: readonly RecordedProgram[];
}

const folder = new URL("golden/", import.meta.url);
const recordings = readdirSync(folder)
  .filter((name) => /^torch-programs-.*\.json$/.test(name))
  .map((name) => JSON.parse(readFileSync(new URL(name, folder), "utf8")) as Recording);

/**
 * The communicators that torch can use. ProcessGroupNCCL gives `isend` and `irecv` one for each pair of ranks, and
 * `batch_isend_irecv` the one of the group.
 */
const CHOICES: readonly (TorchCommunicators & { readonly title: string })[] = [
  { title: "torch's", alone: "pair", batched: "world" },
  { title: "one", alone: "world", batched: "world" },
  { title: "per edge", alone: "edge", batched: "edge" },
  { title: "per edge and kind", alone: "edge-and-kind", batched: "edge-and-kind" },
];

/** One word for what is found: the first problem, or the transfers that can be blocked, out of all. */
function findingOf(recorded: RecordedProgram, communicators: TorchCommunicators): string {
  const { program, rules } = readRecorded(recorded, communicators);
  const { problems, blocked } = checkNccl(program, new Cells(program), rules);
  if (problems.length > 0) return problems[0]!.code;
  const numTransfers = program.ranks.reduce((sum, actions) => sum + countSends(actions), 0);
  // Both sides of a transfer can be blocked.
  const sends = new Set(blocked.map((each) => sendOf(program, each.rank, each.actionIndex)));
  return `${sends.size} of ${numTransfers}`;
}

function countSends(actions: Program["ranks"][number]): number {
  return Array.from(actions).filter(({ kind }) => kind.startsWith("SEND")).length;
}

function sendOf(program: Program, rank: number, index: number): string {
  const action = program.ranks[rank]!.at(index);
  if (action.kind === "OVERLAP_F_B") throw new Error("a pair moves nothing");
  const { kind, stage, microBatch } = action;
  if (kind === "RECV_F") return `${stage - 1}SEND_F${microBatch}`;
  return kind === "RECV_B" ? `${stage + 1}SEND_B${microBatch}` : `${stage}${kind}${microBatch}`;
}

describe.each(recordings)("torch $torch", ({ programs }) => {
  it("posts complete programs in which every value exists when it is sent", () => {
    expect(programs.length).toBeGreaterThanOrEqual(28);
    for (const recorded of programs) {
      const { program } = readRecorded(recorded, CHOICES[0]!);
      expect(program.numMicroBatches).toBe(recorded.microBatches);
      expect(verify(program, { sends: "buffered" }).problems).toEqual([]);
    }
  });

  it("runs without deadlocks and blocking as far as its communicators allow", () => {
    const rows = programs.map((recorded) => {
      const { schedule, ranks, microBatches } = recorded;
      const findings = CHOICES.map((choice) => `${choice.title}: ${findingOf(recorded, choice)}`);
      return `${schedule}, ${ranks} ranks, ${microBatches} micro-batches; ${findings.join(", ")}`;
    });
    expect(rows.join("\n")).toMatchSnapshot();
  });
});
