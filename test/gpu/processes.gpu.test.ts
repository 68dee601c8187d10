// Ranks on cards of several processes: the contract of a process group, and the bits of ranks of one process.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { freePort } from "../gloo/free-port.ts";
import { NUM_CONFORMANCE_RANKS } from "../ranks/conformance.ts";

const LOADER = fileURLToPath(new URL("../register-tsx.mjs", import.meta.url));

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts a program in one process, or in several as a launcher does. */
async function start(program: string, numProcesses: number): Promise<ChildProcess[]> {
  const path = fileURLToPath(new URL(program, import.meta.url));
  const port = String(await freePort());
  return Array.from({ length: numProcesses }, (_, process) =>
    spawn(globalThis.process.execPath, ["--import", LOADER, path], {
      env: {
        ...globalThis.process.env,
        ...(numProcesses === 1
          ? {}
          : {
              RANK: String(process),
              LOCAL_RANK: String(process),
              WORLD_SIZE: String(numProcesses),
              MASTER_ADDR: "127.0.0.1",
              MASTER_PORT: port,
            }),
      },
    }),
  );
}

async function endOf(child: ChildProcess): Promise<Ended> {
  const texts = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const)
    child[name]!.setEncoding("utf8").on("data", (text: string) => {
      texts[name] += text;
    });
  const [status] = (await once(child, "close")) as [number | null];
  return { status, ...texts };
}

/** What the ranks of all processes print, as one list. */
async function printedBy(program: string, numProcesses: number): Promise<unknown[]> {
  const ends = await Promise.all((await start(program, numProcesses)).map(endOf));
  expect(ends.map(({ status, stderr }) => [status, stderr])).toEqual(ends.map(() => [0, ""]));
  return ends.flatMap(({ stdout }) => JSON.parse(stdout) as unknown[]);
}

test("messages between cards of several processes keep the contract of a process group", async () => {
  const failures = await printedBy("./print-conformance.ts", NUM_CONFORMANCE_RANKS);
  expect(failures).toEqual(Array.from({ length: NUM_CONFORMANCE_RANKS }, () => ({})));
});

test("4 ranks in 2 and in 4 processes give the losses and gradients of one process, bit for bit", async () => {
  const inOne = await printedBy("./print-steps.ts", 1);
  expect(inOne).toHaveLength(4);
  for (const numProcesses of [2, 4]) expect(await printedBy("./print-steps.ts", numProcesses)).toEqual(inOne);
});

test("when a process is killed in a step, the others name its ranks", async () => {
  const children = await start("./step-forever.ts", 2);
  const [survivor, killed] = children as [ChildProcess, ChildProcess];
  const end = endOf(survivor);
  void endOf(killed);
  await once(killed.stdout!, "data");
  killed.kill("SIGKILL");
  const { status, stderr } = await end;
  expect(stderr).toMatch(/ranks 2 to 3 disconnected|process 1 \(ranks 2 to 3\)/);
  expect(status).not.toBe(0);
});
