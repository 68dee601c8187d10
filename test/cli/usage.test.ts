import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { runDualpipe } from "./run-dualpipe.ts";

test("--version prints the package's version", () => {
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  expect(runDualpipe(["--version"])).toEqual({ status: 0, stdout: `${version}\n`, stderr: "" });
});

test("--help lists the commands", () => {
  const { status, stdout } = runDualpipe(["--help"]);
  expect(status).toBe(0);
  expect(stdout).toMatch(/Usage: dualpipe[\s\S]*\n {2}doctor /);
});

test("help of a command lists its options", () => {
  const { status, stdout } = runDualpipe(["help", "doctor"]);
  expect(status).toBe(0);
  expect(stdout).toContain("--build");
});

test("every command that is listed has its help", () => {
  const listed = [...runDualpipe(["--help"]).stdout.matchAll(/^ {2}([a-z]+) .*$/gm)].map((line) => line[1]!);
  expect(listed).toEqual(expect.arrayContaining(["train", "schedule", "doctor", "help"]));
  for (const name of listed.filter((name) => name !== "help")) {
    const { status, stdout } = runDualpipe([name, "--help"]);
    expect({ name, status }).toEqual({ name, status: 0 });
    expect(stdout).toContain(`Usage: dualpipe ${name} `);
  }
});

test("no command is a wrong usage", () => {
  const { status, stderr } = runDualpipe([]);
  expect(status).toBe(2);
  expect(stderr).toContain("Usage: dualpipe");
});

test.each([
  ["a wrong command", ["doctr"], "dualpipe: unknown command 'doctr' (Did you mean doctor?)\n"],
  ["a wrong option", ["doctor", "--bild"], "dualpipe: unknown option '--bild' (Did you mean --build?)\n"],
  ["a wrong global option", ["--vers"], "dualpipe: unknown option '--vers' (Did you mean --version?)\n"],
  [
    "an argument too many",
    ["doctor", "x"],
    "dualpipe: too many arguments for 'doctor'. Expected 0 arguments but got 1.\n",
  ],
])("%s is one line that says what was meant", (_what, args, stderr) => {
  expect(runDualpipe(args)).toEqual({ status: 2, stdout: "", stderr });
});
