// The disk is full while checkpoints are written, or damages them afterwards.
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { FaultRun, NUM_FAULTS } from "./fault-run.ts";
import { until } from "./processes.ts";

// A slow `dd` fills the disk while the run goes on: with too few steps it would end before its last fault.
const STEPS_PER_FAULT = 30;
const faults = new FaultRun(20_261_126, STEPS_PER_FAULT);

beforeAll(() => faults.trainUndisturbed());
afterAll(() => faults[Symbol.dispose]());

test("when the disk is full the run goes on without checkpoints, and writes them again when there is space", async () => {
  const [dir, copy] = [faults.run.dir("full"), faults.run.dir("full-copy")];
  mkdirSync(dir);
  // Only the launcher's own namespace sees the small disk.
  const script = `mount -t tmpfs -o size=20m tmpfs ${dir} && "$@" && cp -r ${dir} ${copy}`;
  const wrapper = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"];
  const launcher = faults.launch("full", ["--nproc-per-node", "4"], { wrapper, resume: false });
  const { pid } = launcher.child;
  const inside = (command: string) =>
    execFileSync("nsenter", [
      ...[`--target=${pid}`, "--user", "--mount", "--preserve-credentials"],
      ...["sh", "-c", command],
    ]);
  const count = (text: string) => launcher.output().split(text).length - 1;
  for (let fault = 0; fault < NUM_FAULTS; fault++) {
    const numWritten = count(": checkpoint ") + 1 + faults.random.below(3);
    await until("checkpoints are written", () => count(": checkpoint ") >= numWritten, launcher.output);
    for (let i = faults.random.below(2000); i > 0; i--) await new Promise(setImmediate);
    const numGivenUp = count("no checkpoint could be written");
    inside(`dd if=/dev/zero of=${dir}/filler bs=4k 2>&1 || true`);
    const isGivenUp = () => count("no checkpoint could be written") > numGivenUp;
    await until("a checkpoint is given up", isGivenUp, launcher.output);
    inside(`rm ${dir}/filler`);
  }
  expect(await launcher.closed, launcher.output()).toEqual([0, null]);
  expect(launcher.output()).toMatch(/training goes on: .*the disk is full \(ENOSPC\)/);
  rmSync(dir, { recursive: true });
  await faults.expectAsUndisturbed("full-copy");
  console.log(`full disk: ${NUM_FAULTS} faults injected and survived`);
}, 600_000);

test("when a checkpoint's file is truncated or has a flipped bit, the run resumes from the one before", async () => {
  const { random, run } = faults;
  for (let fault = 0; fault < NUM_FAULTS; fault++) {
    const dir = `damaged-${fault}`;
    run.copy("whole", dir);
    rmSync(join(run.dir(dir), "model.safetensors"));
    const [before, newest] = run.checkpoints(dir);
    const folder = join(run.dir(dir), "checkpoints", newest!);
    const path = join(folder, random.pick(readdirSync(folder).sort()));
    const bytes = readFileSync(path);
    const position = random.below(bytes.length);
    if (random.below(2) === 0) writeFileSync(path, bytes.subarray(0, position));
    else {
      // A flipped bit of the manifest's white space would go unnoticed, rightly.
      const visible = bytes.subarray(position).findIndex((byte) => byte > 0x20 && byte < 0x7f);
      bytes[position + Math.max(0, visible)]! ^= 1 << random.below(3);
      writeFileSync(path, bytes);
    }
    await faults.resume(dir);
    expect(run.lines.join(""), path).toMatch(new RegExp(`passing over ${newest}[\\s\\S]*from .*${before}\n`));
    await faults.expectAsUndisturbed(dir);
  }
  console.log(`damaged checkpoints: ${NUM_FAULTS} faults injected and survived`);
}, 600_000);
