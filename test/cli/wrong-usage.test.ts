import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runDualpipe, runLines } from "./run-dualpipe.ts";

const folder = mkdtempSync(join(tmpdir(), "dualpipe-usage-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const file = (name: string, text: string) => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};
const MODEL = JSON.stringify({
  hidden_size: 64,
  num_hidden_layers: 4,
  num_attention_heads: 4,
  vocab_size: 1000,
});
const config = file("config.yaml", "training: {steps: 5}\n");
const json = file("program.json", "{}");
const sizes = ["--ranks", "4", "--micro-batches", "8"];

mkdirSync(join(folder, "FOLDER.csv"));

type Case = readonly [what: string, args: readonly string[], said: string];

/** Runs the command lines in the folder, each of which must end with the status and one line. */
function check(cases: readonly Case[], status: number): void {
  let results: ReturnType<typeof runLines>;
  beforeAll(() => {
    results = runLines(
      cases.map(([, args]) => args),
      folder,
    );
  });
  test.each(cases.map(([what, , said], index) => [what, said, index] as const))(
    "%s",
    (_what, said, index) => {
      const { stderr, ...rest } = results[index]!;
      expect(rest, stderr).toEqual({ status, stdout: "" });
      expect(stderr).toContain(said);
      expect(stderr).toMatch(/^dualpipe: [^\n]*\n$/);
    },
  );
}

describe("wrong usage is one line that says what to write, with status 2", () => {
  const cases: readonly Case[] = [
    ["a plan of nothing", ["plan"], "plan: --model, --devices and --batch must be given, or --profile"],
    ["a plan with too little", ["plan", "--model", "m.json"], "got m.json, no devices, no batch"],
    [
      "a plan with devices that cannot be",
      ["plan", "--model", file("model.json", MODEL), "--devices", "0", "--batch", "8"],
      "plan: devices must be a whole number from 1",
    ],
    ["sizes that are missing", ["schedule", "gpipe"], "give both, for example --ranks 4 --micro-batches 8"],
    ["sizes that do not suit", ["verify", "dualpipe", "--ranks", "3", "--micro-batches", "8"], "use 4"],
    ["a schedule's name", ["schedule", "dualpip"], 'got "dualpip"; did you mean dualpipe?'],
    ["a schedule's name in capitals", ["simulate", "1F1B", ...sizes], "did you mean 1f1b?"],
    ["an order", ["simulate", "gpipe", ...sizes, "--order", "egaer"], "did you mean eager?"],
    ["a kind of sends", ["verify", "gpipe", ...sizes, "--sends", "bufferd"], "did you mean buffered?"],
    ["a template", ["init", "by-hnd", folder], "did you mean by-hand?"],
    [
      "a negative cost",
      ["simulate", "gpipe", ...sizes, "--cost", "F=-1"],
      "cost: F must be a number from 0 to 1e+100",
    ],
    ["a cost without a key", ["simulate", "gpipe", ...sizes, "--cost", "3"], "must be a list of KEY=NUMBER"],
    ["a folder as a schedule", ["schedule", folder, ...sizes], `${folder}, which is a folder`],
    [
      "a JSON file as a schedule",
      ["schedule", json],
      "which is a file of another kind; give the path of a .csv file",
    ],
    [
      "sizes next to a file",
      ["verify", "a.csv", ...sizes],
      "got --ranks, --micro-batches together with a.csv",
    ],
    [
      "two results on one output",
      ["simulate", "gpipe", ...sizes, "--json", "--svg", "-"],
      "got --svg - and --json",
    ],
    [
      "an override without a value",
      ["train", config, "--set", "training.steps"],
      "--set training.steps: must be KEY=VALUE",
    ],
    [
      "an override that is wrong",
      ["train", config, "--set", "training.steps=0"],
      "dualpipe: --set training.steps=0: must be a whole number from 1; got 0",
    ],
    [
      "a prompt of nothing",
      ["generate", folder, "--prompt", ""],
      "It must be a text of at least one character",
    ],
    [
      "a number of tokens",
      ["generate", folder, "--prompt", "x", "--tokens", "1.5"],
      "It must be a whole number",
    ],
    ["a script that is not there", ["launch", "nowhere.mjs"], "there is no nowhere.mjs"],
    ["a folder as a script", ["launch", folder], `${folder} is a folder`],
    [
      "a host that is not one of the hosts",
      ["launch", "--node-rank", "1", config],
      "--node-rank must be less than --nnodes",
    ],
    [
      "options that exclude each other",
      ["train", config, "--resume", "--overwrite"],
      "cannot be used with option",
    ],
    [
      "a command to be helped with",
      ["help", "schedul"],
      "unknown command 'schedul' (Did you mean schedule?)",
    ],
    ["help for a command", ["schedul", "--help"], "unknown command 'schedul' (Did you mean schedule?)"],
  ];
  check(cases, 2);
});

describe("a file that cannot be used is named in words, with status 1", () => {
  const cases: readonly Case[] = [
    [
      "a program that is a folder",
      ["schedule", "FOLDER.csv"],
      "the program FOLDER.csv cannot be read: it is a folder, not a file (EISDIR)",
    ],
    [
      "a program that is not there",
      ["verify", "none.csv"],
      "the program none.csv cannot be read: it does not exist (ENOENT)",
    ],
    [
      "a profile that is a folder",
      ["plan", "--profile", "FOLDER.csv"],
      "the profile FOLDER.csv cannot be read: it is a folder",
    ],
    [
      "a model that is not there",
      ["plan", "--model", "none.json", "--devices", "1", "--batch", "1"],
      "the model none.json cannot be read: it does not exist (ENOENT)",
    ],
    [
      "a chart in a folder that is not there",
      ["simulate", "gpipe", ...sizes, "--svg", "none/a.svg"],
      "the chart none/a.svg cannot be written: it does not exist (ENOENT)",
    ],
    [
      "a trace over a folder",
      ["simulate", "gpipe", ...sizes, "--trace", "FOLDER.csv"],
      "the trace FOLDER.csv cannot be written: it is a folder",
    ],
    [
      "a configuration that is not there",
      ["train", "none.yaml"],
      "the configuration none.yaml cannot be read: it does not exist (ENOENT)",
    ],
    [
      "a configuration that is a folder",
      ["train", "FOLDER.csv"],
      "the configuration FOLDER.csv cannot be read: it is a folder, not a file (EISDIR)",
    ],
    [
      "a text that is a folder",
      ["train", config, "--set", "data.source=FOLDER.csv"],
      'got "FOLDER.csv": it is a folder, not a file (EISDIR)',
    ],
    ["a project over a file", ["init", "gpt", "config.yaml"], "config.yaml must be a folder; it is a file"],
    [
      "a run that is a file",
      ["generate", "config.yaml", "--prompt", "x"],
      "config.yaml must be a checkpoint, or a run",
    ],
  ];
  check(cases, 1);

  test("an output that is full", () => {
    const { status, stderr } = runDualpipe(["schedule", "gpipe", ...sizes], {}, folder, "/dev/full");
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: "dualpipe: the standard output cannot be written: the disk is full (ENOSPC)\n",
    });
  });
});

test("one of something is not called several", () => {
  const one = ["--ranks", "1", "--micro-batches", "1"];
  const outputs = [["schedule"], ["simulate"], ["verify"]].map(
    ([command]) => runDualpipe([command!, "gpipe", ...one]).stdout,
  );
  for (const text of outputs) {
    expect(text).toContain("1 rank, 1 stage, 1 micro-batch");
    expect(text).not.toMatch(/\b1 (ranks|stages|micro-batches)/);
  }
});
