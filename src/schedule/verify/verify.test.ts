import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type Action,
  ActionList,
  assertVerified,
  buildProgram,
  buildReferenceOrder,
  formatProblem,
  loopedPlacement,
  lower,
  type Program,
  parseAction,
  parseProgramCsv,
  simulate,
  UNIT_COST,
  verify,
} from "../index.ts";

const FOUR_BY_EIGHT = { numRanks: 4, numMicroBatches: 8 };

function edit(program: Program, rank: number, change: (actions: Action[]) => Action[]): Program {
  const ranks = program.ranks.map((actions, index) =>
    index === rank ? ActionList.from(change([...actions]), program.numMicroBatches) : actions,
  );
  return { ...program, ranks };
}

function swap(actions: Action[], first: number, second: number): Action[] {
  return actions.with(first, actions[second]!).with(second, actions[first]!);
}

/** A program of one direction from text, stage `s` on rank `s % numRanks`. */
function looped(numStages: number, numMicroBatches: number, forwardOnly: boolean, lines: string[]): Program {
  const numRanks = lines.length;
  return {
    schedule: "example",
    numRanks,
    numStages,
    numMicroBatches,
    forwardOnly,
    communication: "none",
    placement: loopedPlacement(numRanks, numMicroBatches, numStages / numRanks),
    ranks: lines.map((line) => ActionList.from(line.split(" ").map(parseAction), numMicroBatches)),
  };
}

describe("sound programs", () => {
  const sizes = [
    ...[2, 4, 6, 8, 16].map((numRanks) => ["dualpipe", numRanks] as const),
    ...[1, 2, 3, 4, 7, 8].map((numRanks) => ["dualpipev", numRanks] as const),
  ].flatMap(([name, numRanks]) =>
    [0, 2, 6].flatMap((extra) =>
      [false, true].map((forwardOnly) => ({
        name,
        sizes: { numRanks, numMicroBatches: 2 * numRanks + extra, forwardOnly },
      })),
    ),
  );

  it("pass under rendezvous and buffered sends, in every order of communication", () => {
    for (const { name, sizes: size } of sizes) {
      const program = buildProgram(name, size);
      const lowered = [0, 1, 2, 5].map((window) => lower(program, { window }));
      for (const candidate of [program, buildReferenceOrder(name, size), ...lowered]) {
        expect(verify(candidate, { sends: "rendezvous" }).problems).toEqual([]);
        expect(verify(candidate, { sends: "buffered" }).problems).toEqual([]);
      }
    }
  });

  it("hold at most ranks + 1 micro-batches of DualPipe, and 2 x ranks + 1 of DualPipeV's half stages", () => {
    for (const { name, sizes: size } of sizes) {
      if (size.forwardOnly) continue;
      const depth = name === "dualpipe" ? size.numRanks : 2 * size.numRanks;
      const peaks = verify(buildProgram(name, size)).peakActivations;
      expect(Math.max(...peaks)).toBe(depth + 1);
    }
  });
});

describe("planted faults", () => {
  const program = lower(buildProgram("dualpipe", FOUR_BY_EIGHT));

  it("finds every single dropped action and names it", () => {
    for (const [rank, actions] of program.ranks.entries()) {
      for (let index = 0; index < actions.length; index++) {
        const { problems } = verify(edit(program, rank, (list) => list.toSpliced(index, 1)));
        const dropped = actions.at(index);
        const { stage, microBatch } = dropped.kind === "OVERLAP_F_B" ? dropped.forward : dropped;
        expect(problems.length).toBeGreaterThan(0);
        expect(problems.map((problem) => problem.message).join()).toMatch(
          new RegExp(`\\b${stage}\\w+${microBatch}\\b`),
        );
      }
    }
  });

  it("finds every single repeated action", () => {
    for (const [rank, actions] of program.ranks.entries()) {
      for (let index = 0; index < actions.length; index++) {
        const { problems } = verify(
          edit(program, rank, (list) => list.toSpliced(index, 0, actions.at(index))),
        );
        expect(problems.map((problem) => problem.code)).toContain("repeated");
      }
    }
  });

  it("names both sides of swapped sends", () => {
    const sends = [...program.ranks[0]!].flatMap((action, index) =>
      action.kind === "SEND_F" ? [index] : [],
    );
    const early = lower(buildProgram("dualpipe", FOUR_BY_EIGHT), { window: 100 });
    expect(verify(early).problems).toEqual([]);
    const swapped = edit(program, 0, (list) => {
      const [first, second] = [sends[0]!, sends[1]!];
      // Both values exist when the later send stands, so only the channel's order is wrong.
      return list.toSpliced(first, 1).toSpliced(second, 0, list[first]!);
    });
    expect(verify(swapped).problems.map(({ code, message }) => ({ code, message }))).toEqual([
      {
        code: "channel-order",
        message:
          "program dualpipe: the sends of a channel must have the order of the computations; rank 0 has 0SEND_F1 before " +
          "0SEND_F0, whose value it computes first; swap them, and their receives",
      },
      {
        code: "channel-order",
        message:
          "program dualpipe: receives must be posted in the order of the sends of their channel; rank 1 posts 1RECV_F0 " +
          "where rank 0 sends 0SEND_F1; swap one of them",
      },
    ]);
  });

  it("refuses sends in another order than that of the computations, in which the engine sends", () => {
    const ranks = (sends: string) =>
      `0F0,0SEND_F0,0F1,0SEND_F1,0RECV_B1,0RECV_B0,0B1,0B0\n1RECV_F0,1RECV_F1,1F0,1F1,${sends}\n`;
    const check = (sends: string) =>
      verify(parseProgramCsv(ranks(sends), "by hand")).problems.map(({ code }) => code);
    expect(check("1B1,1SEND_B1,1B0,1SEND_B0")).toEqual([]);
    expect(check("1B0,1B1,1SEND_B1,1SEND_B0")).toEqual(["channel-order"]);
  });

  it("finds an action on a rank that does not hold its stage", () => {
    const moved = edit(program, 1, (list) => [parseAction("3F1"), ...list]);
    expect(verify(moved).problems[0]).toMatchObject({ code: "misplaced", rank: 1, actionIndex: 0 });
    expect(verify(moved).problems[0]!.message).toMatch(/3F1 must be on rank 3/);
  });

  it("finds a backward before its forward and a weight backward before its input backward", () => {
    const plain = buildProgram("dualpipe", FOUR_BY_EIGHT);
    const indexOf = (text: string) => [...plain.ranks[0]!].findIndex((a) => a.kind === text);
    const weightFirst = edit(plain, 0, (list) => swap(list, indexOf("I"), indexOf("W")));
    expect(verify(weightFirst).problems[0]).toMatchObject({ code: "out-of-order", rank: 0 });
    expect(verify(weightFirst).problems[0]!.message).toMatch(/3W4 must come after 3I4/);
  });

  it("finds backwards in a program of forwards only", () => {
    const forwardOnly = buildProgram("dualpipev", { numRanks: 1, numMicroBatches: 2, forwardOnly: true });
    const wrong = edit(forwardOnly, 0, (list) => [...list, parseAction("1B0")]);
    expect(verify(wrong).problems.map(({ code }) => code)).toContain("needless");
  });

  it("names a cycle over three ranks", () => {
    const { problems } = verify(looped(6, 1, true, ["3F0 0F0", "1F0 4F0", "2F0 5F0"]));
    expect(problems[0]!.code).toBe("deadlock");
    expect(problems[0]!.cycle!.map(({ rank }) => rank).toSorted()).toEqual([0, 1, 2]);
    expect(problems[0]!.message).toMatch(/rank 0 at 3F0 \(action 0\) waits for 2F0 of rank 2/);
    expect(problems[0]!.message).toMatch(/rank 2 at 2F0 \(action 0\) waits for 1F0 of rank 1/);
    expect(problems[0]!.message).toMatch(/rank 1 at 1F0 \(action 0\) waits for 0F0 of rank 0/);
  });

  it("tells sends that stop the rank from sends that do not", () => {
    const facing = looped(4, 2, true, ["0F0 2F0 0F1 2F1", "1F0 3F0 1F1 3F1"]);
    const lowered = lower(facing, { window: 0 });
    const bare = {
      ...lowered,
      ranks: [
        "0F0 0SEND_F0 0F1 0SEND_F1 2RECV_F0 2F0 2SEND_F0 2RECV_F1 2F1 2SEND_F1",
        "1RECV_F0 1F0 1SEND_F0 3RECV_F0 3F0 1RECV_F1 1F1 1SEND_F1 3RECV_F1 3F1",
      ].map((line) => ActionList.from(line.split(" ").map(parseAction), 2)),
    };
    expect(verify(bare, { sends: "buffered" }).problems.map(({ code }) => code)).toEqual(["channel-order"]);
    const ordered = {
      ...bare,
      ranks: [
        "0F0 0SEND_F0 0F1 0SEND_F1 2RECV_F0 2F0 2SEND_F0 2RECV_F1 2F1 2SEND_F1",
        "1RECV_F0 1F0 1SEND_F0 1RECV_F1 3RECV_F0 1F1 1SEND_F1 3F0 3RECV_F1 3F1",
      ].map((line) => ActionList.from(line.split(" ").map(parseAction), 2)),
    };
    expect(verify(ordered, { sends: "buffered" }).problems).toEqual([]);
    expect(verify(ordered, { sends: "rendezvous" }).problems[0]!.code).toBe("deadlock");
  });

  it("shows the actions around the fault", () => {
    const faulty = edit(program, 2, (list) => list.toSpliced(1, 1));
    expect(formatProblem(faulty, verify(faulty).problems[0]!)).toMatch(/rank 2: .*\[.*\]/);
    expect(() => assertVerified(faulty)).toThrow(/rank 2: /);
  });

  it("agrees with the simulator about what can finish", () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(), fc.nat(), (a, b, c) => {
        const rank = a % program.numRanks;
        const { length } = program.ranks[rank]!;
        const changed = edit(program, rank, (list) => swap(list, b % length, c % length));
        if (verify(changed, { sends: "buffered" }).problems.length === 0) simulate(changed, UNIT_COST);
      }),
      { numRuns: 500 },
    );
  });
});
