import { join } from "node:path";
import { expect, test } from "vitest";
import { fakeLibTorch, temporaryFolder, writeTree } from "../../test/native/fake-libtorch.ts";
import { buildAddon } from "./build.ts";
import type { NativeCache } from "./cache.ts";
import { loadAddon } from "./load.ts";

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

test("an addon is built once, loaded, and built anew when its sources change", async () => {
  const { root, cache } = plantedSources(ADDON);
  expect(() => loadAddon(cache)).toThrow(
    /no native addon for LibTorch 2\.11\.0 .*; run: npx dualpipe doctor --build/,
  );

  const lines: string[] = [];
  const build = () => buildAddon({ cache, onStart: (line) => lines.push(line) });
  const builds = await Promise.all([build(), build()]);
  expect(builds.map((result) => result.reused).sort()).toEqual([false, true]);
  expect(lines).toEqual(["building the native addon for LibTorch 2.11.0 (LIBTORCH)"]);
  expect(loadAddon<{ version: string }>(cache).version).toBe("2.11.0");

  writeTree(root, { "native/addon.c": ADDON.replace('"version"', '"renamed"') });
  expect(() => loadAddon(cache)).toThrow("doctor --build");
  expect((await build()).reused).toBe(false);
  expect(loadAddon<{ renamed: string }>(cache).renamed).toBe("2.11.0");
});

test("a compiler's error is shown with the log's path", async () => {
  const { root, cache } = plantedSources("#include <node_api.h>\nthis is not C;\n");
  const failure = buildAddon({ cache });
  await expect(failure).rejects.toMatchObject({
    name: "NativeSetupError",
    code: "BUILD_FAILED",
    message: expect.stringMatching(/status \d+; its last lines, whole log in .*\.log\n[\s\S]*not C/),
  });
  await expect(failure).rejects.toThrow(join(root, "cache"));
});

test("without cmake the message says so", async () => {
  const { cache } = plantedSources(ADDON);
  const bare = { ...cache, env: { ...cache.env, PATH: "" } };
  await expect(buildAddon({ cache: bare })).rejects.toMatchObject({ code: "BUILD_TOOL_MISSING" });
});

test("without a LibTorch the message lists what was tried", async () => {
  const { root, cache } = plantedSources(ADDON);
  const env = { ...cache.env, LIBTORCH: join(root, "nowhere") };
  await expect(buildAddon({ cache: { ...cache, env } })).rejects.toThrow(
    `tried:\n  LIBTORCH (${join(root, "nowhere")}): ${join(root, "nowhere/lib/libtorch.so")} does not exist`,
  );
});
