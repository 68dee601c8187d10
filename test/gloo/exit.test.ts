// Processes end well although messages are left in their mailboxes. Repeated, since a destructor that runs too late did
// harm in two runs of three only.
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import type { Network } from "../../src/transport/processes/connect-processes.ts";
import { freePort } from "./free-port.ts";

const PROGRAM = fileURLToPath(new URL("exiting-process.mjs", import.meta.url));
/** A memory checker (test/native) sees a late destructor the first time. */
const NUM_REPEATS = process.env.ASAN_OPTIONS ? 1 : 5;

/** Runs both processes. @returns The status or signal of each, and what they printed. */
async function runBoth(network: Network) {
  const port = await freePort();
  const run = async (process: number) => {
    const args = [PROGRAM, String(process), String(port), network];
    const child: ChildProcess = spawn(globalThis.process.execPath, args, {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    for (const stream of [child.stdout!, child.stderr!])
      stream.on("data", (text) => {
        output += text;
      });
    const ended = await new Promise((resolve) =>
      child.on("close", (code, signal) => resolve(signal ?? code)),
    );
    return [ended, output];
  };
  return Promise.all([run(0), run(1)]);
}

test.each<Network>(["gloo", "sockets"])(
  `two processes that leave messages to each other over %s end well, ${NUM_REPEATS} times`,
  async (network) => {
    for (let i = 0; i < NUM_REPEATS; i++)
      expect(await runBoth(network)).toEqual([
        [0, "done\n"],
        [0, "done\n"],
      ]);
  },
);
