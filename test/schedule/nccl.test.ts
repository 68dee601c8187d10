// Programs on NCCL: `verify` against an executor that tries, and what holds for the schedules.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type Action,
  ActionList,
  buildProgram,
  buildReferenceOrder,
  COMMUNICATORS,
  type Communicators,
  formatBlocked,
  formatProblem,
  lower,
  type Program,
  parseProgramCsv,
  peerOf,
  schedules,
  type VerifyOptions,
  verify,
} from "../../src/schedule/index.ts";
import { Executor, isTransfer } from "./nccl-executor.ts";
import { inOneOrder } from "./one-order.ts";

const withNccl = (program: Program, communicators: Communicators) =>
  verify(program, { transport: "nccl", communicators });

/** Moves one transfer to another index of its rank, as far as its value and the order of its channel allow. */
function move(program: Program, rank: number, from: number, to: number): Program {
  const actions = [...program.ranks[rank]!];
  const moved = actions[from]!;
  if (!isTransfer(moved)) return program;
  const peer = peerOf(program.placement, moved);
  const stops = (other: Action) =>
    isTransfer(other)
      ? other.kind === moved.kind && peerOf(program.placement, other) === peer
      : cellsOf(other).includes(`${moved.stage},${moved.microBatch}`);
  const step = to < from ? -1 : 1;
  let at = from;
  while (at !== to && !stops(actions[at + step]!)) {
    [actions[at], actions[at + step]] = [actions[at + step]!, actions[at]!];
    at += step;
  }
  const ranks = program.ranks.map((list, index) =>
    index === rank ? ActionList.from(actions, program.numMicroBatches) : list,
  );
  return { ...program, ranks };
}

function cellsOf(action: Action): string[] {
  const parts = action.kind === "OVERLAP_F_B" ? [action.forward, action.backward] : [action];
  return parts.map(({ stage, microBatch }) => `${stage},${microBatch}`);
}

const mutated = fc
  .record({
    schedule: fc.constantFrom("gpipe", "1f1b", "interleaved", "zb1p", "zbv", "dualpipe", "dualpipev"),
    numRanks: fc.constantFrom(2, 3, 3, 4),
    extra: fc.constantFrom(0, 1),
    lowering: fc.constantFrom("ours", "one order", "one order"),
    window: fc.nat(3),
    isBatched: fc.boolean(),
    moves: fc.array(fc.tuple(fc.nat(), fc.nat(), fc.nat()), { maxLength: 4 }),
  })
  .map(({ schedule, numRanks, extra, lowering, window, isBatched, moves }) => {
    const ranks = schedule === "dualpipe" ? numRanks - (numRanks % 2) : numRanks;
    const isBidirectional = schedule.startsWith("dualpipe");
    const numMicroBatches = schedule === "interleaved" ? ranks : isBidirectional ? 2 * ranks : ranks + extra;
    const computations = buildProgram(schedule, { numRanks: ranks, numMicroBatches });
    let program = lowering === "ours" ? lower(computations, { window }) : inOneOrder(computations);
    for (const [rank, from, to] of moves) {
      const { length } = program.ranks[rank % ranks]!;
      program = move(program, rank % ranks, from % length, to % length);
    }
    return isBatched ? { ...program, communication: "batched" as const } : program;
  });

describe("verify agrees with an executor that tries", () => {
  const counts = { wrongPartner: 0, deadlock: 0, blocked: 0, free: 0 };

  it("about deadlocks, and about every operation that can be blocked and by what", () => {
    const property = fc.property(
      mutated,
      fc.constantFrom(...COMMUNICATORS, "world", "world"),
      fc.nat(),
      (program, communicators, seed) => {
        fc.pre(verify(program, { sends: "buffered" }).problems.every(({ code }) => code === "deadlock"));
        const { problems, blocked } = withNccl(program, communicators);
        const executor = () => new Executor(program, communicators);
        if (executor().hasWrongPartner) {
          counts.wrongPartner++;
          expect(problems[0]?.code).toBe("channel-order");
          return;
        }
        let state = seed;
        const atRandom = (numSteps: number) => {
          state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
          return (state >>> 8) % numSteps;
        };
        const runs = [executor(), executor()];
        const finished = runs.map((run) => run.run(atRandom));
        if (problems.length > 0) {
          counts.deadlock++;
          expect(problems.map(({ code }) => code)).toEqual(["deadlock"]);
          expect(finished).toEqual([false, false]);
          return;
        }
        expect(finished).toEqual([true, true]);
        // The worst that can happen to an operation is that one computation takes for ever.
        const delayed = executor()
          .computations()
          .map((withheld) => {
            const run = executor();
            run.runWithout(withheld);
            return run;
          });
        const seen = new Set(delayed.flatMap((run) => [...run.blocked]));
        expect(runs.flatMap((run) => [...run.blocked]).filter((pair) => !seen.has(pair))).toEqual([]);
        const found = blocked.map(({ rank, actionIndex, behind }) => [
          `${rank}:${actionIndex}`,
          `${behind.rank}:${behind.actionIndex}`,
        ]);
        expect(found.filter((pair) => !seen.has(pair.join(" ")))).toEqual([]);
        expect(new Set(found.map(([place]) => place))).toEqual(
          new Set([...seen].map((pair) => pair.split(" ")[0])),
        );
        if (found.length > 0) counts.blocked++;
        else counts.free++;
      },
    );
    fc.assert(property, { numRuns: 150, seed: 15 });
    for (const count of Object.values(counts)) expect(count).toBeGreaterThan(10);
  });
});

describe("with one communicator per directed edge and kind", () => {
  const allows = (name: string, numRanks: number) => name !== "dualpipe" || numRanks % 2 === 0;

  it.each(schedules)("$name neither deadlocks nor blocks a transfer", ({ name, generateReferenceOrder }) => {
    for (const numRanks of [2, 3, 4, 8].filter((count) => allows(name, count))) {
      for (const forwardOnly of [false, true]) {
        const sizes = { numRanks, numMicroBatches: 2 * numRanks, forwardOnly };
        const programs = [0, 1, 2, 5].map((window) => lower(buildProgram(name, sizes), { window }));
        if (generateReferenceOrder) programs.push(buildReferenceOrder(name, sizes));
        for (const program of programs) {
          expect(withNccl(program, "edge-and-kind")).toMatchObject({ problems: [], blocked: [] });
        }
      }
    }
  });
});

describe("with fewer communicators", () => {
  it("a program that mailboxes can run deadlocks, and every step of the cycle is named", () => {
    const program = lower(buildProgram("1f1b", { numRanks: 2, numMicroBatches: 2 }));
    expect(verify(program, { sends: "buffered" }).problems).toEqual([]);
    expect(verify(program, { sends: "rendezvous" }).problems).toEqual([]);
    for (const communicators of ["edge-and-kind", "edge"] as const) {
      expect(withNccl(program, communicators).problems).toEqual([]);
    }
    const [problem] = withNccl(program, "pair").problems;
    expect(formatProblem(program, problem!).split("\n")).toEqual([
      "program 1f1b: no transfers of NCCL may wait for each other in a cycle; rank 1 at 1RECV_F0 (action 0) waits for " +
        "0SEND_F0 of rank 0; rank 0 at 0SEND_F0 (action 2) stands behind 0RECV_B0 in the queue of the communicator of " +
        "ranks 0 and 1; rank 0 at 0RECV_B0 (action 0) waits for 1SEND_B0 of rank 1; rank 1 at 1SEND_B0 (action 4) " +
        "stands behind 1RECV_F0 in the queue of the communicator of ranks 0 and 1; move one of these actions, or use " +
        "more communicators",
      "  rank 1: [1RECV_F0] 1RECV_F1 1F0 1B0 ...",
      "  rank 0: 0RECV_B0 0F0 [0SEND_F0] 0RECV_B1 0F1 0SEND_F1 ...",
      "  rank 0: [0RECV_B0] 0F0 0SEND_F0 0RECV_B1 ...",
      "  rank 1: ... 1RECV_F1 1F0 1B0 [1SEND_B0] 1F1 1B1 1SEND_B1 ...",
    ]);
    expect(withNccl(program, "world").problems[0]!.message).toContain("the communicator of all ranks");
  });

  it("a receive that would get an activation for a gradient is named, with the send", () => {
    const program = lower(buildProgram("zbv", { numRanks: 2, numMicroBatches: 4 }));
    expect(withNccl(program, "edge-and-kind").problems).toEqual([]);
    expect(withNccl(program, "edge").problems).toEqual([
      {
        code: "channel-order",
        rank: 1,
        actionIndex: expect.any(Number),
        message:
          "program zbv: NCCL has no tags, so receives must be posted in the order of the sends of their communicator; " +
          "rank 1 posts 2RECV_B0 to the communicator from rank 0 to rank 1 where rank 0 posts 0SEND_F2; swap one of " +
          "them, or use more communicators",
      },
    ]);
  });

  it("a program in one order for all ranks runs on any communicators", () => {
    for (const { name } of schedules) {
      const program = inOneOrder(buildProgram(name, { numRanks: 4, numMicroBatches: 8 }));
      for (const communicators of COMMUNICATORS)
        expect(withNccl(program, communicators).problems).toEqual([]);
      // Each rank of a pair has the order of the other one, so the other side of what is in front is always ready.
      for (const communicators of ["edge-and-kind", "edge", "pair"] as const) {
        expect(withNccl(program, communicators).blocked).toEqual([]);
      }
      expect(withNccl(program, "world").blocked).not.toEqual([]);
    }
  });

  it("a blocked transfer is named with what it stands behind", () => {
    const program = parseProgramCsv(
      "0F0,0SEND_F0,0F1,0SEND_F1\n" +
        "1RECV_F0,1F0,1RECV_F1,1SEND_F0,1F1,1SEND_F1\n" +
        "2RECV_F0,2F0,2RECV_F1,2F1\n",
      "by hand",
    );
    const { problems, blocked } = withNccl(program, "world");
    expect(problems).toEqual([]);
    expect(blocked.map((each) => formatBlocked(program, each))).toEqual([
      "rank 1: 1SEND_F0 stands behind 1RECV_F1; 2RECV_F0 of rank 2 can be ready before 0SEND_F1 of rank 0 is",
    ]);
    expect(withNccl(program, "pair")).toMatchObject({ problems: [], blocked: [] });
  });
});

describe("options", () => {
  const program = lower(buildProgram("gpipe", { numRanks: 2, numMicroBatches: 2 }));

  it.each<[VerifyOptions, RegExp]>([
    [{ transport: "ncll" as never }, /transport must be one of mailbox, nccl; got ncll.*nccl/],
    [
      { transport: "nccl", communicators: "pairs" as never },
      /communicators must be one of .*; got pairs.*pair/,
    ],
    [{ sends: "sync" as never }, /sends must be one of rendezvous, buffered; got sync/],
    [{ communicators: "pair" }, /communicators is an option of the transport "nccl".*add transport: "nccl"/],
    [{ transport: "nccl", sends: "buffered" }, /sends is an option of the transport "mailbox".*leave it out/],
    [{ communicator: "pair" } as never, /verify has no option communicator.*communicators/],
  ])("%j is refused", (options, message) => {
    expect(() => verify(program, options)).toThrow(message);
  });

  it("a program of computations is refused, because it posts nothing", () => {
    const computations = buildProgram("gpipe", { numRanks: 2, numMicroBatches: 2 });
    expect(() => verify(computations, { transport: "nccl" })).toThrow(
      /got computations only; lower it first/,
    );
  });
});
