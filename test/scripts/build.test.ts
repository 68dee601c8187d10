import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const ROOT = new URL("../../", import.meta.url);

test("what is built is a command by itself: npx marks it as one only when it first sees the checkout", () => {
  const { bin, version } = JSON.parse(readFileSync(new URL("package.json", ROOT), "utf8"));
  const program = fileURLToPath(new URL(bin.dualpipe, ROOT));
  expect(execFileSync(program, ["--version"], { encoding: "utf8" })).toBe(`${version}\n`);
});
