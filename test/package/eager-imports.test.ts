import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

const ROOT = new URL("../../", import.meta.url);
const RECORDER = new URL("record-loads.mjs", import.meta.url).href;

/** The modules that are loaded by importing an entry of the package, as paths below `dist/` or names of packages. */
function loadsOf(entry: string): string[] {
  const url = new URL(`dist/${entry}`, ROOT).href;
  const code = `await import(${JSON.stringify(url)});
    const { _cache } = (await import("node:module")).default;
    for (const path of Object.keys(_cache)) console.log("file://" + path);`;
  const args = ["--import", RECORDER, "--input-type=module", "-e", code];
  const output = execFileSync(process.execPath, args, { encoding: "utf8" });
  const urls = output.split("\n").filter((line) => line.startsWith("file:"));
  return urls.map((path) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? path.split("/dist/")[1]!);
}

test('import "dualpipe" loads neither the trainer nor any package', () => {
  const loads = loadsOf("index.js");
  expect(loads).toContain("engine/pipeline.js");
  const { dependencies } = JSON.parse(readFileSync(new URL("package.json", ROOT), "utf8"));
  for (const name of Object.keys(dependencies)) expect(loads).not.toContain(name);
  expect(loads).not.toContain("trainer/train.js");
  expect(loads.filter((path) => path.startsWith("cli/"))).toEqual([]);
});

test('import "dualpipe" loads of the schedules what a step needs, and nothing that starts programs', () => {
  const loads = loadsOf("index.js").filter((path) => path.startsWith("schedule/"));
  expect(loads).toContain("schedule/lower/lower.js");
  expect(loads.filter((path) => /^schedule\/(plan|search|draw|simulate\/(?!timeline))/.test(path))).toEqual(
    [],
  );
  const url = new URL("dist/index.js", ROOT).href;
  const code = `await import(${JSON.stringify(url)}); console.log(process.moduleLoadList.join("\\n"));`;
  const builtIns = execFileSync(process.execPath, ["--input-type=module", "-e", code], { encoding: "utf8" });
  for (const name of ["child_process", "crypto", "dgram", "net"])
    expect(builtIns.split("\n")).not.toContain(`NativeModule ${name}`);
});

test('import "dualpipe/schedule" loads schedules and errors alone', () => {
  const loads = loadsOf("schedule/index.js");
  expect(loads).toContain("schedule/index.js");
  expect(loads.filter((path) => !/^(schedule|errors)\//.test(path))).toEqual([]);
});
