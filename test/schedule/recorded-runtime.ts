import { parseProgramCsv } from "../../src/schedule/program/csv.ts";
import type { Program } from "../../src/schedule/program/program.ts";
import type { Communicators } from "../../src/schedule/verify/nccl/communicators.ts";
import type { PostingRules } from "../../src/schedule/verify/nccl/postings.ts";

/** A program of golden/torch_programs.py, which explains the steps. */
export interface RecordedProgram {
  readonly schedule: string;
  readonly ranks: number;
  readonly stages: number;
  readonly microBatches: number;
  readonly steps: readonly string[];
}

/** What torch's two ways of posting use: `isend` and `irecv`, and `batch_isend_irecv`. */
export interface TorchCommunicators {
  readonly alone: Communicators;
  readonly batched: Communicators;
}

/** The actions of one rank, with what its runtime does around them. */
interface RecordedRank {
  readonly actions: string[];
  readonly joinsPrevious: boolean[];
  readonly isBatched: boolean[];
  /** The transfers that were waited for since the computation before, by the index of the next one. */
  readonly waits: Map<number, number[]>;
}

function readSteps(text: string): RecordedRank {
  const rank: RecordedRank = { actions: [], joinsPrevious: [], isBatched: [], waits: new Map() };
  let awaited: number[] = [];
  for (const step of text.split(" ")) {
    if (step.startsWith("?")) {
      awaited.push(rank.actions.indexOf(step.slice(1)));
      continue;
    }
    const batch = step.startsWith("[") ? step.slice(1, -1).split(";") : [step];
    if (/^\d+[FIWB]\d+$/.test(step)) {
      rank.waits.set(rank.actions.length, awaited);
      awaited = [];
    }
    for (const [position, action] of batch.entries()) {
      rank.actions.push(action);
      rank.joinsPrevious.push(position > 0);
      rank.isBatched.push(step.startsWith("["));
    }
  }
  return rank;
}

/** The recorded program, and how torch posts it. */
export function readRecorded(
  recorded: RecordedProgram,
  { alone, batched }: TorchCommunicators,
): { program: Program; rules: PostingRules } {
  const ranks = recorded.steps.map(readSteps);
  return {
    program: parseProgramCsv(ranks.map(({ actions }) => actions.join(",")).join("\n"), recorded.schedule),
    rules: {
      communicatorsOf: (rank, index) => (ranks[rank]!.isBatched[index] ? batched : alone),
      joinsPrevious: (rank, index) => ranks[rank]!.joinsPrevious[index]!,
      waitsOf: (rank, index) => ranks[rank]!.waits.get(index)!,
    },
  };
}
