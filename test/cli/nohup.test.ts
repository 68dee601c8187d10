import { spawnSync } from "node:child_process";
import { openSync } from "node:fs";
import { expect, test } from "vitest";

const NOHUP = new URL("../../src/cli/nohup.ts", import.meta.url).href;
const CODE = `import { wasStartedByNohup } from ${JSON.stringify(NOHUP)}; console.log(wasStartedByNohup());`;
const PROGRAM = [process.execPath, "--import", "tsx", "--input-type=module", "-e", CODE];

/** The last line of a program that a shell starts. @param script The program's words are its arguments. */
function ask(shell: string, script: string, input: "ignore" | number = "ignore"): string {
  const args = ["-c", script, shell, ...PROGRAM];
  const { _, ...env } = process.env;
  return spawnSync(shell, args, { encoding: "utf8", env, stdio: [input, "pipe", "pipe"] })
    .stdout.trim()
    .split("\n")
    .at(-1)!;
}

test.each([
  ["bash with nohup", "bash", 'nohup "$@" & wait', "true"],
  ["a script that ignores SIGHUP, as one under nohup does", "sh", `trap "" HUP; "$@"; true`, "true"],
  ["a terminal with nohup", "sh", `script -qec "nohup $(printf "'%s' " "$@") | cat" /dev/null`, "true"],
  ["bash without nohup", "bash", '"$@" & wait', "false"],
  ["a shell", "sh", '"$@"; true', "false"],
  ["a terminal", "sh", `script -qec "$(printf "'%s' " "$@")" /dev/null`, "false"],
])("started from %s, a program knows whether nohup did it", (_where, shell, script, answer) => {
  expect(ask(shell, script)).toBe(answer);
});

test("an input that can only be written is a mark of nohup's, one that is empty is none", () => {
  expect(ask("sh", 'exec "$@"', openSync("/dev/null", "w"))).toBe("true");
  expect(ask("sh", 'exec "$@"', openSync("/dev/null", "r"))).toBe("false");
});
