import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { fakeLibTorch, temporaryFolder, writeTree } from "../../test/native/fake-libtorch.ts";
import { buildAddon } from "./build.ts";
import type { NativeCache } from "./cache.ts";
import { loadAddon, prepareAddon } from "./load.ts";

const CMAKE = `
cmake_minimum_required(VERSION 3.18)
project(planted C)
add_library(dualpipe MODULE addon.c)
target_include_directories(dualpipe PRIVATE \${NODE_API_INCLUDE_DIRS})
target_compile_definitions(dualpipe PRIVATE VERSION="\${LIBTORCH_VERSION}")
set_target_properties(dualpipe PROPERTIES PREFIX "" SUFFIX ".node")
`;
const ADDON = `
#include <node_api.h>
NAPI_MODULE_INIT() {
  napi_value version;
  napi_create_string_utf8(env, VERSION, NAPI_AUTO_LENGTH, &version);
  napi_set_named_property(env, exports, "version", version);
  return exports;
}
`;

function plantedSources(addon: string): { root: string; cache: NativeCache } {
  const root = temporaryFolder();
  fakeLibTorch(join(root, "torch"), { version: "2.11.0" });
  writeTree(join(root, "native"), { "CMakeLists.txt": CMAKE, "addon.c": addon });
  const env = { ...process.env, LIBTORCH: join(root, "torch") };
  return { root, cache: { folders: [join(root, "cache")], sources: join(root, "native"), env } };
}

test("an addon is built once, loaded, and built again when its sources change", async () => {
  const { root, cache } = plantedSources(ADDON);
  const lines: string[] = [];
  const build = () => buildAddon({ cache, onProgress: (line) => lines.push(line) });
  const builds = await Promise.all([build(), build()]);
  expect(builds.map((result) => result.reused).sort()).toEqual([false, true]);
  // Which of the two requests speaks first is open.
  expect(lines.sort()).toEqual([
    expect.stringMatching(
      /^building the native addon for LibTorch 2\.11\.0 \(LIBTORCH\): about \d+ s on \d+ cores/,
    ),
    expect.stringMatching(/^built the native addon in \d+ s$/),
    `waiting for another build of the native addon (process ${process.pid})`,
  ]);
  expect(loadAddon<{ version: string }>(cache).version).toBe("2.11.0");

  writeTree(root, { "native/addon.c": ADDON.replace('"version"', '"renamed"') });
  expect((await build()).reused).toBe(false);
  expect(loadAddon<{ renamed: string }>(cache).renamed).toBe("2.11.0");
});

test("an addon is built when it is first loaded", () => {
  const { cache } = plantedSources(ADDON);
  expect(loadAddon<{ version: string }>(cache).version).toBe("2.11.0");
});

test("an addon that is first loaded by several processes at once is built once, with progress", async () => {
  const { root, cache } = plantedSources(ADDON);
  const loaded = await Promise.all([1, 2, 3].map(() => loadInProcess(cache)));
  expect(loaded.map(({ stdout }) => stdout)).toEqual(["2.11.0", "2.11.0", "2.11.0"]);
  const errors = loaded.map(({ stderr }) => stderr).join("");
  expect(errors.match(/^dualpipe: building the native addon/gm)).toHaveLength(1);
  expect(errors.match(/^dualpipe: built the native addon in \d+ s$/gm)).toHaveLength(1);
  const names = readdirSync(join(root, "cache"));
  expect(names.filter((name) => name.startsWith("libtorch-2.11.0-"))).toHaveLength(1);
  expect(names).not.toContain("build.lock");
});

/** Loads a planted addon in a process of its own. */
function loadInProcess({ folders, sources, env }: NativeCache): Promise<{ stdout: string; stderr: string }> {
  const loader = new URL("./load.ts", import.meta.url).href;
  const code = `import { loadAddon } from ${JSON.stringify(loader)};
    const cache = { ...${JSON.stringify({ folders, sources })}, env: process.env };
    process.stdout.write(loadAddon(cache).version);`;
  const tsx = new URL("../../test/register-tsx.mjs", import.meta.url).href;
  const args = ["--import", tsx, "--input-type=module", "-e", code];
  const child = spawn(process.execPath, args, { env, cwd: fileURLToPath(new URL("../..", import.meta.url)) });
  const texts = { stdout: "", stderr: "" };
  child.stdout.on("data", (text) => {
    texts.stdout += text;
  });
  child.stderr.on("data", (text) => {
    texts.stderr += text;
  });
  return new Promise((resolve) => child.once("close", () => resolve(texts)));
}

test("an addon that another Node built is found: Node-API's version is no part of its name", async () => {
  const { cache } = plantedSources(ADDON);
  const napi = Object.getOwnPropertyDescriptor(process.versions, "napi")!;
  const { path } = await buildAddon({ cache });
  Object.defineProperty(process.versions, "napi", { ...napi, value: "10" });
  try {
    expect(await buildAddon({ cache })).toEqual({ path, reused: true });
  } finally {
    Object.defineProperty(process.versions, "napi", napi);
  }
});

test("a build that is aborted ends with the reason", async () => {
  const { cache } = plantedSources(ADDON);
  const reason = new Error("Ctrl-C");
  const abort = new AbortController();
  const building = buildAddon({ cache, signal: abort.signal, onProgress: () => abort.abort(reason) });
  await expect(building).rejects.toBe(reason);
  expect(await prepareAddon<{ version: string }>(undefined, cache)).toMatchObject({ version: "2.11.0" });
});

test("a compiler's error is shown with the log's path", async () => {
  const { root, cache } = plantedSources("#include <node_api.h>\nthis is not C;\n");
  const failure = buildAddon({ cache });
  await expect(failure).rejects.toMatchObject({
    name: "NativeSetupError",
    code: "BUILD_FAILED",
    message: expect.stringMatching(
      /could not be built: .* status \d+; the log is .*\.log and ends with\n[\s\S]*not C/,
    ),
  });
  await expect(failure).rejects.toThrow(join(root, "cache"));
  // The same from the program that a synchronous caller waits for.
  expect(() => loadAddon(cache)).toThrow(expect.objectContaining({ code: "BUILD_FAILED" }));
});

test("without cmake the message says so", async () => {
  const { cache } = plantedSources(ADDON);
  const bare = { ...cache, env: { ...cache.env, PATH: "" } };
  await expect(buildAddon({ cache: bare })).rejects.toMatchObject({ code: "BUILD_TOOL_MISSING" });
});

test("an unusable LIBTORCH is named with its path", async () => {
  const { root, cache } = plantedSources(ADDON);
  const env = { ...cache.env, LIBTORCH: join(root, "nowhere") };
  await expect(buildAddon({ cache: { ...cache, env } })).rejects.toThrow(
    `LIBTORCH is set to ${join(root, "nowhere")}, which is no usable LibTorch: ${join(root, "nowhere")} does not exist`,
  );
  expect(() => loadAddon({ ...cache, env })).toThrow(expect.objectContaining({ code: "LIBTORCH_NOT_FOUND" }));
});
