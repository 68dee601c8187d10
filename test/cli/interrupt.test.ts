import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "vitest";

const INTERRUPT = new URL("../../src/cli/interrupt.ts", import.meta.url).href;

/** A process that runs the code with interrupt.ts at hand, prints "ready" and stays. */
async function startWaiting(code: string) {
  const program = `
    import { catchInterrupt, exitOnInterrupt } from ${JSON.stringify(INTERRUPT)};
    setInterval(() => {}, 1000);
    ${code}
    console.log("ready");
  `;
  const child = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", program]);
  let output = "";
  child.stdout.on("data", (data) => {
    output += data;
  });
  child.stderr.pipe(process.stderr);
  const until = async (word: string) => {
    while (!output.includes(word)) await once(child.stdout, "data");
  };
  await until("ready");
  const closed = once(child, "close");
  return { child, until, end: async () => ({ status: (await closed)[0], output }) };
}

test.each([
  ["SIGINT", 130],
  ["SIGTERM", 143],
  ["SIGHUP", 129],
] as const)("%s ends a command with status %i", async (signal, status) => {
  const { child, end } = await startWaiting("exitOnInterrupt();");
  child.kill(signal);
  expect(await end()).toEqual({ status, output: "ready\n" });
});

const CAUGHT = (samePressMs: number) => `
  exitOnInterrupt();
  const { signal } = catchInterrupt(${samePressMs});
  signal.onabort = () => console.log("stopping");
  process.on("SIGUSR2", () => { console.log("stopped"); process.exit(); });
`;

test("a command that catches the interrupt ends in its own way, with status 130", async () => {
  const { child, until, end } = await startWaiting(CAUGHT(60_000));
  child.kill("SIGINT");
  await until("stopping");
  child.kill("SIGINT");
  child.kill("SIGUSR2");
  expect(await end()).toEqual({ status: 130, output: "ready\nstopping\nstopped\n" });
});

test("a later interrupt ends a command that is still stopping", async () => {
  const { child, until, end } = await startWaiting(CAUGHT(0));
  child.kill("SIGINT");
  await until("stopping");
  child.kill("SIGINT");
  expect(await end()).toEqual({ status: 130, output: "ready\nstopping\n" });
});

test("a closed terminal is told several times, and once is enough", async () => {
  const { child, until, end } = await startWaiting(CAUGHT(0));
  child.kill("SIGHUP");
  await until("stopping");
  child.kill("SIGHUP");
  child.kill("SIGUSR2");
  expect(await end()).toEqual({ status: 129, output: "ready\nstopping\nstopped\n" });
});
