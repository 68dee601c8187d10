// The native tests under AddressSanitizer: a use of freed memory, a double free or a write past an end fails them.
//
// The addon is built once more, with the checker in it, into a cache of its own, and Node is started with the checker's
// library, which replaces the allocator of the whole process. So errors of LibTorch in our memory are found as well.
// Leaks are not looked for: Node and LibTorch free much of theirs at exit or never.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { isAbsolute, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { buildAddon } from "../../src/native/build.ts";
import { defaultCache } from "../../src/native/cache.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const VITEST = join(ROOT, "node_modules", "vitest", "vitest.mjs");
const MINUTES = 60_000;

/** What uses the addon most: tensors, files, threads, mailboxes, processes over Gloo, their exits, and backwards. */
const CHECKED = [
  "src/tensor",
  "src/files",
  "src/transport",
  "src/autograd/backward.test.ts",
  "src/autograd/library/differentiable.test.ts",
  "test/threads",
  "test/gloo",
  "test/ranks/failure.test.ts",
];
const NUM_TESTS_MIN = 250;

const folder = mkdtempSync(join(tmpdir(), "dualpipe-checked-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const library = spawnSync("c++", ["-print-file-name=libasan.so"], { encoding: "utf8" }).stdout?.trim() ?? "";
const hasChecker = isAbsolute(library) && existsSync(library);

const CHECKED_CACHE = { DUALPIPE_CACHE: join(ROOT, "build", "checked") };
const FLAGS = "-fsanitize=address -fno-omit-frame-pointer -g1";

/** Runs Node with the checker. @returns What it printed, its exit status, and what the checker reported. */
function runChecked(args: readonly string[]): { output: string; status: number | null; reports: string } {
  const log = join(folder, `report-${readdirSync(folder).length}`);
  const options = ["detect_leaks=0", "allocator_may_return_null=1", "exitcode=99", `log_path=${log}`];
  const { stdout, status } = spawnSync(process.execPath, args, {
    cwd: ROOT,
    env: { ...process.env, ...CHECKED_CACHE, LD_PRELOAD: library, ASAN_OPTIONS: options.join(":") },
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  const reports = readdirSync(folder)
    .map((name) => join(folder, name))
    .filter((path) => path.startsWith(log))
    .map((path) => readFileSync(path, "utf8"))
    .filter((text) => text.includes("ERROR: AddressSanitizer"));
  return { output: stdout, status, reports: reports.join("\n") };
}

const USE_AFTER_FREE = `
#include <cstdlib>
#include <cstdio>
struct Broken {
  Broken() { volatile char* bytes = static_cast<char*>(std::malloc(8)); std::free((void*)bytes); std::printf("%d", bytes[3]); }
} broken;
`;

describe.skipIf(!hasChecker)("under a memory checker", () => {
  test("an error in a native library is reported", () => {
    const source = join(folder, "broken.cpp");
    writeFileSync(source, USE_AFTER_FREE);
    const built = spawnSync("c++", [
      "-shared",
      "-fPIC",
      "-fsanitize=address",
      "-w",
      "-o",
      join(folder, "broken.node"),
      source,
    ]);
    expect(built.status).toBe(0);
    const path = JSON.stringify(join(folder, "broken.node"));
    const { reports, status } = runChecked(["-e", `process.dlopen({ exports: {} }, ${path})`]);
    expect(reports).toContain("heap-use-after-free");
    expect(status).toBe(99);
  });

  test("the native tests pass without a report", { timeout: 15 * MINUTES }, async () => {
    const env = { ...process.env, ...CHECKED_CACHE, CXXFLAGS: FLAGS, LDFLAGS: FLAGS };
    await buildAddon({ cache: defaultCache(env) });
    const { output, status, reports } = runChecked([VITEST, "run", ...CHECKED]);
    expect(reports).toBe("");
    expect(status, output).toBe(0);
    expect(Number(/Tests +(\d+) passed/.exec(output)?.[1])).toBeGreaterThan(NUM_TESTS_MIN);
  });
});
