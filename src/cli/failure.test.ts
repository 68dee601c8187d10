import { CommanderError } from "commander";
import { expect, test } from "vitest";
import { OptionError } from "../errors/option-error.ts";
import { LaunchError } from "../launch/launch-error.ts";
import { RankError } from "../launch/rank-error.ts";
import { describeFailure } from "./failure.ts";

const withCode = (message: string, code: string) => Object.assign(new Error(message), { code });

test.each([
  [
    "one of our typed errors",
    new OptionError("ranks must be even; got 3"),
    "dualpipe: ranks must be even; got 3",
  ],
  [
    "an error of the file system",
    Object.assign(withCode("ENOENT: no such file 'x'", "ENOENT"), { syscall: "open", path: "x" }),
    "dualpipe: open x: it does not exist (ENOENT)",
  ],
  [
    "an error of a socket",
    Object.assign(withCode("connect ECONNREFUSED 127.0.0.1:1", "ECONNREFUSED"), { syscall: "connect" }),
    "dualpipe: connect ECONNREFUSED 127.0.0.1:1",
  ],
])("%s is its message alone", (_what, error, text) => {
  expect(describeFailure(error, false)).toEqual({ text, exitCode: 1 });
});

test.each([
  ["an error without a code", new TypeError("x is undefined")],
  [
    "an error of a package, whose errors that a user can cause are converted where they arise",
    withCode("bad archive", "TAR_BAD_ARCHIVE"),
  ],
  ["an error that only looks like ours", withCode("ranks must be even", "INVALID_SIZES")],
  ["a misuse of Node", withCode("the argument must be a string", "ERR_INVALID_ARG_TYPE")],
])("%s is ours: it asks for a report and shows the stack", (_what, error) => {
  const { text, exitCode } = describeFailure(error, false);
  expect(text).toContain(`internal error, please report it\n${error.stack}`);
  expect(exitCode).toBe(1);
});

test.each([
  ["a rank that crashed", new RankError(1, "CRASHED", "x"), 3],
  ["a rank stopped by another's failure", new RankError(1, "ABORTED", "x"), 3],
  ["a disconnected process", new RankError(undefined, "DISCONNECTED", "x"), 3],
  ["processes that cannot connect", new LaunchError("RENDEZVOUS_FAILED", "x"), 3],
  ["a receive that gave up", new RankError(1, "TIMEOUT", "x"), 4],
  ["a process without a heartbeat", new RankError(undefined, "HEARTBEAT_TIMEOUT", "x"), 4],
  ["processes that do not join", new LaunchError("RENDEZVOUS_TIMEOUT", "x"), 4],
  ["a loss that is not finite", new RankError(0, "NON_FINITE_LOSS", "x"), 1],
  ["a port that is taken", new LaunchError("ADDRESS_TAKEN", "x"), 1],
])("%s has the exit status by which a launcher decides", (_what, error, exitCode) => {
  expect(describeFailure(error, false)).toEqual({ text: "dualpipe: x", exitCode });
});

test("what is thrown without being an Error is shown", () => {
  expect(describeFailure("lost", false).text).toContain("lost");
});

test("commander's own errors are wrong usage, its help is none", () => {
  expect(describeFailure(new CommanderError(1, "commander.unknownOption", "printed"), false)).toEqual({
    text: "",
    exitCode: 2,
  });
  expect(describeFailure(new CommanderError(0, "commander.helpDisplayed", "printed"), false).exitCode).toBe(
    0,
  );
});

test("an aborted command was interrupted", () => {
  const aborted = AbortSignal.abort().reason;
  expect(describeFailure(aborted, false)).toEqual({
    text: "dualpipe: interrupted",
    exitCode: 130,
    isInterrupt: true,
  });
});
