import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  buildProgram,
  lower,
  parseProgramCsv,
  simulate,
  UNIT_COST,
  verify,
} from "../../src/schedule/index.ts";

interface RecordedSchedule {
  schedule: string;
  ranks: number;
  stages: number;
  microBatches: number;
  computations: string;
  withCommunication?: string;
}

// Written by golden/torch_schedules.py, from torch.distributed.pipelining of torch 2.13.
const recorded = JSON.parse(
  readFileSync(new URL("golden/torch-schedules.json", import.meta.url), "utf8"),
) as RecordedSchedule[];

const OURS: Record<string, string> = {
  GPipe: "gpipe",
  Interleaved1F1B: "interleaved",
  InterleavedZeroBubble: "interleaved-zb",
  ZBVZeroBubble: "zbv",
  DualPipeV: "dualpipev",
};

const named = recorded.map((record) => {
  const { schedule, ranks, stages, microBatches } = record;
  return [
    `${schedule} with ${ranks} ranks, ${stages} stages, ${microBatches} micro-batches`,
    record,
  ] as const;
});

describe("schedules of torch.distributed.pipelining", () => {
  it("are all there", () => {
    const names = new Set(recorded.map(({ schedule }) => schedule));
    expect([...names].toSorted()).toEqual([...Object.keys(OURS), "1F1B", "LoopedBFS"].toSorted());
  });

  // The last rank of torch 2.13's list of 1F1B (not what it runs) starts at micro-batch 1 and ends one too far.
  const isFaulty = ({ schedule }: RecordedSchedule) => schedule === "1F1B";

  it.each(named.filter(([, record]) => isFaulty(record)))("%s: its fault is found", (_name, record) => {
    expect(() => parseProgramCsv(record.computations)).toThrow(
      /must have the forward of every micro-batch once/,
    );
  });

  const sound = named.filter(([, record]) => !isFaulty(record));

  it.each(sound)("%s: read, verified and run", (_name, record) => {
    const program = parseProgramCsv(record.computations);
    expect(program).toMatchObject({
      numRanks: record.ranks,
      numStages: record.stages,
      numMicroBatches: record.microBatches,
      forwardOnly: false,
      communication: record.ranks === 1 ? "eager" : "none",
    });
    const lowered = lower(program);
    expect(verify(lowered).problems).toEqual([]);
    expect(simulate(lowered, UNIT_COST).makespan).toBeGreaterThan(0);
  });

  it.each(sound.filter(([, { withCommunication }]) => withCommunication !== undefined))(
    "%s: read, verified and run with torch's own communication",
    (_name, { withCommunication }) => {
      const program = parseProgramCsv(withCommunication!);
      expect(program.communication).toBe("eager");
      expect(verify(program, { sends: "buffered" }).problems).toEqual([]);
      simulate(program, UNIT_COST);
    },
  );

  const comparable = sound.filter(({ 1: { schedule } }) => OURS[schedule] !== undefined);

  it.each(comparable)("%s: computes in the same order as ours", (_name, record) => {
    const isSingle = record.schedule === "InterleavedZeroBubble" && record.stages === record.ranks;
    const ours = buildProgram(isSingle ? "zb1p" : OURS[record.schedule]!, {
      numRanks: record.ranks,
      numMicroBatches: record.microBatches,
      stagesPerRank: record.stages / record.ranks,
    });
    expect(parseProgramCsv(record.computations, ours.schedule)).toEqual(
      record.ranks === 1 ? lower(ours) : ours,
    );
  });
});
