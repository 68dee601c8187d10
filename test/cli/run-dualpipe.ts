import { spawnSync } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));

const TYPESCRIPT = new URL("../register-tsx.mjs", import.meta.url).href;

/**
 * Runs the command line in a process of its own, from the sources.
 * @param cwd The folder that it runs in.
 * @param stdoutPath Where its standard output goes, instead of into the result.
 */
export function runDualpipe(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  cwd = process.cwd(),
  stdoutPath?: string,
) {
  const output = stdoutPath === undefined ? "pipe" : openSync(stdoutPath, "w");
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--import", TYPESCRIPT, MAIN, ...args], {
    encoding: "utf8",
    cwd,
    env: { ...process.env, ...env },
    stdio: ["ignore", output, "pipe"],
  });
  if (typeof output === "number") closeSync(output);
  return { status, stdout, stderr };
}

/** Runs several command lines one after the other in a process of its own, as `runDualpipe` would run each. */
export function runLines(lines: readonly (readonly string[])[], cwd: string) {
  const runner = fileURLToPath(new URL("./run-lines.mjs", import.meta.url));
  const { stdout, stderr } = spawnSync(process.execPath, [runner, JSON.stringify(lines)], {
    encoding: "utf8",
    cwd,
  });
  if (stdout === "") throw new Error(`nothing was run: ${stderr}`);
  return JSON.parse(stdout) as { status: number; stdout: string; stderr: string }[];
}
