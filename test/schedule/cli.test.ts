import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command, CommanderError } from "commander";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { planCommand } from "../../src/cli/schedules/plan.ts";
import { scheduleCommand } from "../../src/cli/schedules/schedule.ts";
import { simulateCommand } from "../../src/cli/schedules/simulate.ts";
import { verifyCommand } from "../../src/cli/schedules/verify.ts";
import { DualPipeError } from "../../src/errors/dualpipe-error.ts";
import {
  buildProgram,
  formatProgramCsv,
  lower,
  parseProgramCsv,
  profileOf,
  simulate,
} from "../../src/schedule/index.ts";

const folder = mkdtempSync(join(tmpdir(), "dualpipe-schedule-"));
const output: string[] = [];

beforeAll(() => {
  vi.spyOn(process.stdout, "write").mockImplementation((text, ...rest: unknown[]) => {
    output.push(String(text));
    const done = rest.at(-1);
    if (typeof done === "function") done();
    return true;
  });
});
afterEach(() => {
  process.exitCode = 0;
});
afterAll(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

async function run(...args: string[]): Promise<string> {
  output.length = 0;
  const root = new Command("dualpipe").exitOverride().configureOutput({ writeErr: () => {} });
  for (const make of [planCommand, scheduleCommand, simulateCommand, verifyCommand]) {
    root.addCommand(make().copyInheritedSettings(root));
  }
  await root.parseAsync(args, { from: "user" });
  return output.join("");
}

describe("dualpipe schedule", () => {
  it("prints the program as JSON", async () => {
    const text = await run("schedule", "dualpipev", "--ranks", "1", "--micro-batches", "2", "--json");
    expect(JSON.parse(text)).toEqual({
      schedule: "dualpipev",
      ranks: 1,
      stages: 2,
      microBatches: 2,
      forwardOnly: false,
      program: [["0F0", "1F0", "0F1", "1B0", "(1F1;0B0)OVERLAP_F_B", "1B1", "0I1", "0W1"]],
    });
    expect(Object.keys(JSON.parse(text) as object)).toEqual([
      ...["schedule", "ranks", "stages", "microBatches", "forwardOnly", "program"],
    ]);
  });

  it("prints communication with --lowered and forwards alone with --forward-only", async () => {
    const sizes = ["--ranks", "2", "--micro-batches", "4", "--json"];
    const lowered = await run("schedule", "dualpipe", ...sizes, "--lowered", "--forward-only");
    expect(JSON.parse(lowered)).toMatchObject({
      forwardOnly: true,
      program: [
        ["1RECV_F2", "0F0", "0SEND_F0", "1RECV_F3", "1F2", "0F1", "0SEND_F1", "1F3"],
        expect.anything(),
      ],
    });
  });

  it("prints a CSV file that reads back as the same program", async () => {
    const program = buildProgram("zbv", { numRanks: 3, numMicroBatches: 5 });
    const text = await run("schedule", "zbv", "-p", "3", "-m", "5", "--csv");
    expect(parseProgramCsv(text, "zbv")).toEqual(program);
  });

  it("draws a chart", async () => {
    const text = await run("schedule", "1f1b", "-p", "2", "-m", "2");
    expect(text).toContain("rank 0  F0 F1 ······B0─── ···B1───\nrank 1  ···F0 B0─── F1 B1─── ······\n");
    expect(text).toContain("9 units with F = I = W = 1, bubble 33.3 %");
  });
});

describe("dualpipe simulate", () => {
  it("prints what a step takes", async () => {
    const sizes = ["-p", "8", "-m", "20", "--json"];
    const cost = ["--cost", "F=1,I=1,W=1,FB=3,link=0.3"];
    const eager = JSON.parse(await run("simulate", "dualpipe", ...sizes, ...cost)) as object;
    expect(eager).toMatchObject({
      schedule: "dualpipe",
      ranks: 8,
      stages: 8,
      microBatches: 20,
      makespan: 66.6,
      work: new Array(8).fill(60),
      bubble: new Array(8).fill(6.6),
      peakActivations: new Array(8).fill(9),
    });
    const reference = await run("simulate", "dualpipe", ...sizes, ...cost, "--order", "reference");
    expect(JSON.parse(reference)).toMatchObject({ makespan: 75.6 });
  });

  it("writes a trace and a chart", async () => {
    const [trace, svg] = [join(folder, "trace.json"), join(folder, "chart.svg")];
    await run("simulate", "dualpipe", "-p", "2", "-m", "4", "--trace", trace, "--svg", svg);
    expect(JSON.parse(readFileSync(trace, "utf8"))).toHaveProperty("traceEvents");
    const drawn = readFileSync(svg, "utf8");
    expect(drawn).toMatch(/^<svg [\s\S]*rank 1[\s\S]*<\/svg>\n$/);
    expect(await run("simulate", "dualpipe", "-p", "2", "-m", "4", "--svg", "-")).toBe(drawn);
    const printed = await run("simulate", "dualpipe", "-p", "2", "-m", "4", "--trace", "-");
    expect(JSON.parse(printed)).toEqual(JSON.parse(readFileSync(trace, "utf8")));
  });
});

it("schedule and simulate say how they count, and agree when both count whole computations", async () => {
  const sizes = ["1f1b", "-p", "4", "-m", "8"];
  const schedule = await run("schedule", ...sizes);
  expect(schedule).toContain("33 units with F = I = W = 1, bubble 27.3 %");
  expect(schedule).toContain("counted as in papers: values leave a computation at its end");
  const simulated = await run("simulate", ...sizes);
  expect(simulated).toContain("makespan 30, bubble 20.0 %\ncounted as the engine runs");
  const whole = await run("simulate", ...sizes, "--whole");
  expect(whole).toContain("makespan 33, bubble 27.3 %\ncounted as in papers");
});

describe("dualpipe verify", () => {
  it("accepts a sound file and ends with status 1 at a faulty one, naming the fault", async () => {
    const sound = formatProgramCsv(lower(buildProgram("dualpipe", { numRanks: 2, numMicroBatches: 4 })));
    const path = join(folder, "program.csv");
    writeFileSync(path, sound);
    expect(await run("verify", path)).toMatch(/^sound: program, 2 ranks/);
    expect(process.exitCode).toBe(0);
    writeFileSync(path, sound.replace("0SEND_F1,", ""));
    expect(await run("verify", path)).toMatch(/0SEND_F1 missing/);
    expect(process.exitCode).toBe(1);
    expect(JSON.parse(await run("verify", path, "--json"))).toMatchObject({
      ok: false,
      problems: [{ code: "missing", rank: 0 }],
    });
  });

  it("proves both properties on NCCL, or lists the transfers that can be blocked", async () => {
    const sizes = ["-p", "4", "-m", "8", "--transport", "nccl"];
    expect(await run("verify", "dualpipe", ...sizes)).toMatch(
      /no deadlock on NCCL with one communicator per directed edge and kind\n {2}no head-of-line blocking/,
    );
    expect(await run("verify", "dualpipe", ...sizes, "--communicators", "pair")).toMatch(
      /queue of the communicator/,
    );
    expect(process.exitCode).toBe(1);
    process.exitCode = 0;
    const path = join(folder, "forward.csv");
    const lines = ["0F0,0SEND_F0,0F1,0SEND_F1", "1RECV_F0,1F0,1RECV_F1,1SEND_F0,1F1,1SEND_F1"];
    writeFileSync(path, [...lines, "2RECV_F0,2F0,2RECV_F1,2F1"].join("\n"));
    const args = ["verify", path, "--transport", "nccl", "--communicators", "world"];
    expect(await run(...args)).toMatch(
      /head-of-line blocking: 1 of the sends and receives .*\n {4}rank 1: 1SEND_F0 stands behind 1RECV_F1; /,
    );
    expect(process.exitCode).toBe(0);
    expect(JSON.parse(await run(...args, "--json"))).toMatchObject({
      ok: true,
      transport: "nccl",
      communicators: "world",
      blocked: [
        { rank: 1, actionIndex: 3, behind: { rank: 1, actionIndex: 2 }, late: { rank: 0, actionIndex: 3 } },
      ],
    });
    await expect(run("verify", "dualpipe", ...sizes, "--sends", "buffered")).rejects.toThrow(/leave it out/);
  });
});

describe("dualpipe plan", () => {
  const config = join(folder, "config.json");
  const model = { hidden_size: 1024, num_hidden_layers: 8, num_attention_heads: 8, vocab_size: 32000 };
  const request = ["--model", config, "--devices", "4", "--batch", "16", "--sequence", "1024"];

  it("prints the best runs and why the others lost", async () => {
    writeFileSync(config, JSON.stringify(model));
    const text = await run("plan", ...request);
    expect(text).toMatch(/ways to train 16 sequences a step on 4 devices/);
    expect(text).toMatch(/why the others lost:\n {2}gpipe: .*slower/);
    const planned = JSON.parse(await run("plan", ...request, "--json")) as {
      best: { stepSeconds: number }[];
    };
    expect(planned.best[0]!.stepSeconds).toBeGreaterThan(0);
    expect(planned).not.toHaveProperty("searchedProgram");
  });

  it("plans from a profile, and writes the program that it found", async () => {
    const shape = { numRanks: 4, numStages: 4, numMicroBatches: 12 };
    const cost = { F: [2, 2, 2, 3], I: [3, 3, 3, 4], W: [1, 1, 1, 2], link: { latency: 0.1 } };
    const { timeline, makespan } = simulate(lower(buildProgram("dualpipe", shape)), cost);
    const [profile, csv] = [join(folder, "profile.json"), join(folder, "searched.csv")];
    const measured = { schedule: "dualpipe", ...shape, stepMs: makespan / 0.95, link: cost.link };
    writeFileSync(profile, JSON.stringify(profileOf([timeline], measured)));
    expect(await run("plan", "--profile", profile, "--write", csv)).toMatch(
      /predicted, .* measured, 5.0 % off/,
    );
    const found = JSON.parse(await run("simulate", csv, "--profile", profile, "--json")) as {
      makespan: number;
    };
    expect(found.makespan).toBeLessThan(makespan);
  });

  it.each([
    [[], /--model, --devices and --batch must be given/],
    [["--model", config, "--devices", "0", "--batch", "8"], /devices must be a whole number from 1/],
    [["--profile", config], /profile: version must be 1/],
  ])("%j", async (args, message) => {
    writeFileSync(config, JSON.stringify(model));
    await expect(run("plan", ...args)).rejects.toThrow(message);
  });
});

describe("bad input", () => {
  it.each([
    ["dualpipe -p 3 -m 8", "DualPipe: ranks must be even and at least 2; got 3; use 4"],
    [
      "dualpipe -p 4 -m 6",
      "DualPipe: micro-batches must be even and at least 2 x ranks; got 6 with 4 ranks; use 8",
    ],
    [
      "dualpipe -p 4 -m 9",
      "DualPipe: micro-batches must be even and at least 2 x ranks; got 9 with 4 ranks; use 10",
    ],
    ["dualpipev -p 4 -m 7", "DualPipeV: micro-batches must be at least 2 x ranks; got 7 with 4 ranks; use 8"],
    ["gpipe -p 0 -m 1", "GPipe: ranks must be at least 1; got 0; use 1"],
    [
      "1f1b -p 4 -m 6 --extra-warm-ups 1",
      "1F1B: extra warm-ups must be 0; got 1; only interleaved schedules have them",
    ],
    ["zbv -p 2 -m 4 --stages-per-rank 3", "ZBV: stages per rank must be 2; got 3 with 2 ranks; use 2"],
    [
      "1f1b -p 100000 -m 100000",
      "1F1B: a program must have at most 65536 ranks and 134217728 forwards over all stages; " +
        "got 100000 and 10000000000; use fewer",
    ],
  ])("%s", async (line, message) => {
    await expect(run("schedule", ...line.split(" "))).rejects.toThrow(message);
  });

  it("ends in output, one of our errors or a usage error, whatever the arguments", async () => {
    const size = fc.constantFrom("0", "1", "2", "3", "4", "8", "12", "-1", "1e3", "999999999999999", "x", "");
    const cost = fc.oneof(
      fc.constantFrom("F=1", "F=1/2", "FB=3,link=0.3", "F=", "=", "F=1,F=2", "link=-1", "F=1e999", "Q=1", ""),
      fc.string({ maxLength: 12 }),
    );
    const name = fc.constantFrom(
      ...[
        "gpipe",
        "1f1b",
        "interleaved",
        "zb1p",
        "zb2p",
        "zbv",
        "dualpipe",
        "dualpipev",
        "none",
        "a.csv",
        "",
      ],
    );
    const option = fc.oneof(
      size.map((value) => ["--ranks", value]),
      size.map((value) => ["--micro-batches", value]),
      size.map((value) => ["--stages-per-rank", value]),
      size.map((value) => ["--window", value]),
      cost.map((value) => ["--cost", value]),
      fc.constantFrom(
        ["--forward-only"],
        ["--lowered"],
        ["--json"],
        ["--csv"],
        ["--whole"],
        ["--order", "reference"],
      ),
    );
    const command = fc.constantFrom("schedule", "simulate", "verify");
    await fc.assert(
      fc.asyncProperty(command, name, fc.array(option, { maxLength: 7 }), async (verb, schedule, options) => {
        try {
          await run(verb, schedule, ...options.flat());
        } catch (error) {
          if (error instanceof CommanderError) return;
          if (!(error instanceof DualPipeError)) throw error;
          expect(error.message).not.toContain("\n");
        }
      }),
      { numRuns: 1500 },
    );
  });
});
