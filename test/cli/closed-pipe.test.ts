import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";

test("a reader that has seen enough is no error", () => {
  const command = `"${process.execPath}" --import tsx src/cli/main.ts schedule dualpipe --ranks 16 --micro-batches 400 --json`;
  const { status, stdout, stderr } = spawnSync("bash", ["-o", "pipefail", "-c", `${command} | head -c 11`], {
    encoding: "utf8",
    cwd: new URL("../..", import.meta.url),
  });
  expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '{"schedule"', stderr: "" });
});
