import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { buildProgram, formatProgram, formatProgramCsv, lower } from "../../schedule/index.ts";
import {
  type ConfigError,
  formatConfig,
  loadConfig,
  numStages,
  parseConfig,
  scheduleName,
  scheduleOf,
} from "./config.ts";

const folder = mkdtempSync(join(tmpdir(), "dualpipe-schedule-file-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const program = buildProgram("dualpipev", { numRanks: 2, numMicroBatches: 6 });
const configPath = join(folder, "inside", "config.yaml");
mkdirSync(join(folder, "inside"));
writeFileSync(configPath, "pipeline: {schedule: found.csv}\nmodel: {numLayers: 4}\n");
writeFileSync(join(folder, "inside", "found.csv"), formatProgramCsv(program));
writeFileSync(join(folder, "other.csv"), formatProgramCsv(lower(program)));

const failure = (overrides: readonly string[]) =>
  loadConfig(configPath, overrides).then(
    () => expect.fail("must be refused"),
    (error: ConfigError) => error.problem,
  );

test("a program is read from the folder of the configuration, and brings its sizes", async () => {
  const { pipeline, model } = await loadConfig(configPath);
  expect(pipeline).toMatchObject({ ranks: 2, microBatches: 6 });
  expect([scheduleName(pipeline), numStages(pipeline), model.tieEmbeddings]).toEqual(["found", 4, true]);
  const read = scheduleOf(pipeline);
  expect(typeof read === "object" && formatProgram(read)).toEqual(formatProgram(program));
});

test("--set starts at the same folder", async () => {
  const { pipeline } = await loadConfig(configPath, ["pipeline.schedule=../other.csv"]);
  expect(scheduleName(pipeline)).toBe("other");
  const here = join(folder, "other.csv");
  expect(await failure(["pipeline.schedule=other.csv"])).toContain(
    "other.csv cannot be read: it does not exist (ENOENT)",
  );
  expect((await loadConfig(configPath, [`pipeline.schedule=${here}`])).pipeline).toEqual({
    ...pipeline,
    schedule: { ...(pipeline.schedule as object), file: here },
  });
});

test("a configuration holds the program itself: it reads back without the file, and differs when the file did", async () => {
  const config = await loadConfig(configPath);
  expect(parseConfig(formatConfig(config), [], "/nowhere/config.yaml")).toEqual(config);
  const changed = formatProgramCsv(program).replace("0F1,", "0F1,,");
  writeFileSync(join(folder, "inside", "changed.csv"), changed);
  const other = await loadConfig(configPath, ["pipeline.schedule=changed.csv"]);
  expect(formatConfig(other)).not.toBe(formatConfig(config).replaceAll("found.csv", "changed.csv"));
});

describe("a program that cannot be trained is refused", () => {
  const withProgram = async (name: string, csv: string, ...overrides: readonly string[]) => {
    writeFileSync(join(folder, "inside", name), csv);
    return failure([`pipeline.schedule=${name}`, ...overrides]);
  };

  test("with other sizes than the configuration gives", async () => {
    expect(await failure(["pipeline.ranks=4"])).toBe(
      "--set pipeline.ranks=4: pipeline: pipeline.ranks must be 2 as in found.csv, or left out; got 4; use 2",
    );
    expect(await failure(["pipeline.microBatches=8"])).toContain(
      "pipeline.microBatches must be 6 as in found.csv",
    );
  });

  test("for what is wrong with it", async () => {
    const csv = formatProgramCsv(program);
    expect(await withProgram("cell.csv", csv.replace("0F1", "0Q1"))).toMatch(
      /^--set pipeline.schedule=cell.csv: csv: line 1, cell \d/,
    );
    expect(await withProgram("missing.csv", csv.replace("0F1,", ""))).toContain(
      "every stage must have the forward",
    );
    expect(await withProgram("late.csv", "0F0,0B0\n1B0,1F0\n")).toMatch(/late.csv: /);
    expect(await withProgram("forward.csv", "0F0\n1F0\n")).toContain("it has forwards only");
    expect(await withProgram("empty.csv", "")).toContain("every stage must have the forward");
  });

  test("when ranks that share a stage hold different ones", async () => {
    // Stage 1 is on rank 1 for micro-batch 0 and on rank 2 for micro-batch 1; stage 0 is on rank 0 alone.
    const csv = "0F0,0F1,0B0,0B1\n1F0,1B0\n1F1,1B1\n";
    expect(await withProgram("uneven.csv", csv)).toContain("ranks must be pairs that hold the same stages");
  });
});
