// Ranks on cards of several processes: the contract of a process group, and the bits of ranks of one process, whatever
// carries tensors between the cards.
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
async function start(program: string, numProcesses: number, cards = "auto"): Promise<ChildProcess[]> {
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
              DUALPIPE_CARDS: cards,
              // NCCL refuses two ranks on one card of a host; so each process is a host to it.
              NCCL_HOSTID: `host ${process}`,
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
async function printedBy(program: string, numProcesses: number, cards?: string): Promise<unknown[]> {
  const ends = await Promise.all((await start(program, numProcesses, cards)).map(endOf));
  expect(ends.map(({ status, stderr }) => [status, stderr])).toEqual(ends.map(() => [0, ""]));
  return ends.flatMap(({ stdout }) => JSON.parse(stdout) as unknown[]);
}

const CARDS = ["auto", "nccl", "host"];

test.each(CARDS)(
  "with DUALPIPE_CARDS=%s, messages between processes keep the contract of a group",
  async (cards) => {
    const failures = await printedBy("./print-conformance.ts", NUM_CONFORMANCE_RANKS, cards);
    expect(failures).toEqual(Array.from({ length: NUM_CONFORMANCE_RANKS }, () => ({})));
  },
);

test("4 ranks in 2 and in 4 processes give the losses and gradients of one process, bit for bit", async () => {
  const inOne = await printedBy("./print-steps.ts", 1);
  expect(inOne).toHaveLength(4);
  for (const cards of CARDS)
    for (const numProcesses of [2, 4])
      expect(await printedBy("./print-steps.ts", numProcesses, cards), cards).toEqual(inOne);
});

test.each(CARDS)(
  "with DUALPIPE_CARDS=%s, when a process is killed, the others name its ranks",
  async (cards) => {
    const children = await start("./step-forever.ts", 2, cards);
    const [survivor, killed] = children as [ChildProcess, ChildProcess];
    const end = endOf(survivor);
    void endOf(killed);
    await once(killed.stdout!, "data");
    killed.kill("SIGKILL");
    const { status, stderr } = await end;
    expect(stderr).toMatch(/ranks 2 to 3 disconnected|process 1 \(ranks 2 to 3\)/);
    expect(status).not.toBe(0);
  },
);
