import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  buildProgram,
  formatProgramCsv,
  lower,
  nearestAllowed,
  type Program,
  parseProgramCsv,
  ScheduleError,
  schedules,
  simulate,
  UNIT_COST,
  verify,
} from "../index.ts";

const programs: Program[] = schedules.flatMap(({ name, constraints }) =>
  [1, 2, 3, 4].flatMap((wanted) => {
    const numRanks = nearestAllowed(constraints.ranks, wanted, 1);
    const numMicroBatches = nearestAllowed(constraints.microBatches, 2 * numRanks + 2, numRanks);
    return [false, true].map((forwardOnly) => buildProgram(name, { numRanks, numMicroBatches, forwardOnly }));
  }),
);

describe("a program that was written and read", () => {
  it("is the same program, computations only and lowered", () => {
    for (const program of programs) {
      for (const written of [program, lower(program)]) {
        const read = parseProgramCsv(formatProgramCsv(written), written.schedule);
        // A single rank has nothing to send, so its computations read as its lowered program.
        const { communication, ...rest } = written;
        expect(read).toEqual({ ...rest, communication: written.numRanks === 1 ? "eager" : communication });
        expect(verify(read).problems).toEqual([]);
      }
    }
  });
});

describe("reading", () => {
  it("takes idle cells, quotes, any line end, a byte order mark and sharding actions", () => {
    const program = parseProgramCsv('\uFEFF0UNSHARD,"0F0", ,0F1,,0B0,0B1,0REDUCE_GRAD\r1F0,1B0,,1F1,1B1\n\n');
    expect(program).toMatchObject({ numRanks: 2, numStages: 2, numMicroBatches: 2, forwardOnly: false });
    expect(program.ranks.map((actions) => actions.length)).toEqual([4, 4]);
    expect(verify(program).problems).toEqual([]);
  });

  it.each([
    ["", /every stage must have the forward/],
    ["0F0,0B0\n\n1F0,1B0", /each line is a rank with its actions; got none in line 2; remove the line/],
    ["0F0,0F1\n0B0,x", /line 2, cell 2: action: must be STAGE.*"x"/],
    ["0F0,0F5", /2 forwards for stages up to 0 and micro-batches up to 5/],
    ["0F999999999", /1 forwards for stages up to 0 and micro-batches up to 999999999/],
    ["999999999F0", /every stage must have the forward/],
  ])("says what is wrong with %j", (text, message) => {
    expect(() => parseProgramCsv(text)).toThrow(message);
  });

  it("either reads a text or throws one of our errors, and what it reads can be verified and run", () => {
    const piece = fc.oneof(
      fc.constantFrom("0F0", "1F0", "0F1", "1F1", "0B0", "1B0", "0I0", "0W0", "(0F1;0B0)OVERLAP_F_B"),
      fc.constantFrom("0SEND_F0", "1RECV_F0", "1SEND_B0", "0RECV_B0", ",", ",", ",", "\n", "\n", '"', " "),
      fc.string({ maxLength: 4 }),
      fc.stringMatching(/^\d{1,12}[FIWB]\d{1,12}$/),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        try {
          const program = parseProgramCsv(pieces.join(""));
          if (verify(program).problems.length > 0) return;
          simulate(program.communication === "none" ? lower(program) : program, UNIT_COST);
        } catch (error) {
          if (!(error instanceof ScheduleError)) throw error;
          expect(error.message).toMatch(
            /^dualpipe: (csv|action|program custom): [^\n]+; got [^\n]+; [^\n]+$/,
          );
        }
      }),
      { numRuns: 3000 },
    );
  });

  it("survives every program with a few characters changed", () => {
    const small = programs.filter((program) => program.numRanks <= 2).map(formatProgramCsv);
    fc.assert(
      fc.property(
        fc.constantFrom(...small),
        fc.array(fc.tuple(fc.nat(), fc.constantFrom(..."0123456789FIWB,;()\nSENDRCV_")), { maxLength: 4 }),
        (text, edits) => {
          const characters = [...text];
          for (const [index, character] of edits) characters[index % characters.length] = character;
          try {
            verify(parseProgramCsv(characters.join("")));
          } catch (error) {
            expect(error).toBeInstanceOf(ScheduleError);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});
