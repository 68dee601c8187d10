import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { stepTimesMs } from "../../bench/step-spans.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

function runBench(...args: string[]) {
  return runBenchWith("", ...args);
}

function runBenchWith(nodeOptions: string, ...args: string[]) {
  const command = [join(ROOT, "bench", "run.mjs"), ...args];
  // The loader of TypeScript that tests run with must not reach what is measured.
  const env = { ...process.env, NODE_OPTIONS: nodeOptions };
  return spawnSync(process.execPath, command, { encoding: "utf8", env });
}

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "dualpipe-bench-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

const time = {
  medianMs: expect.any(Number),
  minMs: expect.any(Number),
  maxMs: expect.any(Number),
  numSteps: 3,
};

test("nodes are measured without PyTorch, too, and it is said how to have it measured", () => {
  const { status, stdout, stderr } = runBench("nodes", "/nowhere/python", "1");
  expect(status, stderr).toBe(0);
  expect(stdout).toContain("without PyTorch; name a Python that has it: npm run bench -- nodes PYTHON");
  const rows = stdout.split("\n").filter((line) => / \| \d+ \(\d+\) \| - \| \d+ \(\d+\) \| - \|$/.test(line));
  expect(rows.map((line) => line.split(" | ")[0])).toEqual([
    "| neg, own rule",
    "| linear [4, 4], own rule",
    "| neg, recorded",
    "| sin, recorded",
    "| linear [4, 4], recorded",
    "| conv2d 3 x 3 of [1, 4, 4, 4], recorded",
  ]);
});

test("a quick run measures every program but the reference, and says that it was left out", () => {
  const folder = temporaryFolder();
  const [json, document] = [join(folder, "report.json"), join(folder, "document.md")];
  writeFileSync(document, readFileSync(join(ROOT, "docs", "performance.md"), "utf8"));
  const { status, stdout, stderr } = runBench("--quick", "--json", json, "--write", document);
  expect(status, stderr).toBe(0);
  expect(stdout).toContain("The reference was left out");

  const report = JSON.parse(readFileSync(json, "utf8"));
  expect(report.results).toEqual([
    {
      configuration: {
        hidden: 64,
        sequence: 16,
        microBatchSize: 1,
        numBlocks: 1,
        numMicroBatches: 20,
        numRanks: 2,
      },
      times: { pipeline: time, processes: time, sequential: time, products: time },
    },
  ]);
  expect(report.machine).toMatchObject({ node: process.versions.node, libtorch: expect.any(String) });
  expect(report.operators[0]).toEqual({ name: expect.any(String), value: expect.any(Number), unit: "ns" });

  const written = readFileSync(document, "utf8");
  expect(written).toContain(stdout.trim());
  expect(written).toContain("## What is measured");
});

test("a LibTorch without Gloo leaves out the processes, and says so", () => {
  // What the addon offers when it is built for such a LibTorch.
  const hideGloo = `const { dlopen } = process;
    process.dlopen = (module, ...rest) => { dlopen(module, ...rest); if (module.exports.processes) module.exports.processes.hasGloo = false; };`;
  const { status, stdout, stderr } = runBenchWith(
    `--import=data:text/javascript,${encodeURIComponent(hideGloo)}`,
    "--quick",
  );
  expect(status, stderr).toBe(0);
  expect(stdout).toContain("The processes were left out, because this LibTorch has no Gloo.");
  expect(stdout).toContain("ranks in threads");
  expect(stdout).not.toContain("ranks in processes");
});

test.each([
  [["--rounds", "0"], "--rounds must be a whole number, 1 or more; got 0"],
  [["--reference", "/nowhere"], "--reference takes a checkout of the reference implementation"],
  [["--fast"], "Unknown option '--fast'"],
])("%j is rejected with the reason and the options", (args, reason) => {
  const { status, stderr } = runBench(...args);
  expect(status).toBe(2);
  expect(stderr).toContain(reason);
  expect(stderr).toContain("--json FILE");
});

test("a step lasts from the first rank's start to the last rank's end", () => {
  const ranks = [
    [
      { startMs: 10, endMs: 12 },
      { startMs: 20, endMs: 25 },
    ],
    [
      { startMs: 11, endMs: 15 },
      { startMs: 19, endMs: 23 },
    ],
  ];
  expect(stepTimesMs(ranks)).toEqual([5, 6]);
});
