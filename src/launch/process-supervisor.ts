import { type ChildProcess, spawn } from "node:child_process";
import { constants } from "node:os";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";

export interface SuperviseOptions {
  /** The program of every process, a file for Node. */
  readonly program: string;
  readonly args: readonly string[];
  readonly numProcessesPerNode: number;
  readonly numNodes: number;
  readonly nodeRank: number;
  readonly masterAddress: string;
  readonly masterPort: number;
  /** How long processes have to end by themselves after a signal. */
  readonly stopTimeoutMs?: number;
  /** How long the others have to say what they waited for, once a process has failed. */
  readonly failureGraceMs?: number;
}

export interface SuperviseResult {
  /** That of the process that failed first; 128 + its number for a signal; 0 when none failed before a signal stopped all. */
  readonly status: number;
  /** Which process that was and how it ended. */
  readonly failure: string | undefined;
}

/** The descriptor of a pipe that a process inherits and that its launcher never writes to: its end is the launcher's. */
export const LAUNCHER_PIPE = 3;

const FORWARDED = ["SIGINT", "SIGTERM", "SIGUSR1"] as const;
const DEFAULT_STOP_TIMEOUT_MS = 30_000;
const DEFAULT_FAILURE_GRACE_MS = 5_000;

/**
 * Starts this node's processes with torchrun's variables and waits until all have ended. When one fails, the others are
 * ended; SIGINT, SIGTERM and SIGUSR1 go to all; and all end when this process does, even by SIGKILL.
 */
export async function superviseProcesses(options: SuperviseOptions): Promise<SuperviseResult> {
  const { stopTimeoutMs = DEFAULT_STOP_TIMEOUT_MS, failureGraceMs = DEFAULT_FAILURE_GRACE_MS } = options;
  let failure: { readonly status: number; readonly text: string } | undefined;
  let deadline: NodeJS.Timeout | undefined;
  const children = Array.from({ length: options.numProcessesPerNode }, (_, local) => start(options, local));
  const kill = (signal: NodeJS.Signals): void => {
    for (const { child } of children) child.kill(signal);
  };
  const endWithin = (timeoutMs: number): void => {
    deadline ??= setTimeout(() => kill("SIGKILL"), timeoutMs);
  };
  let stopping = false;
  const forward = (signal: NodeJS.Signals): void => {
    if (signal !== "SIGUSR1") {
      stopping = true;
      endWithin(stopTimeoutMs);
    }
    kill(signal);
  };
  for (const signal of FORWARDED) process.on(signal, forward);
  try {
    await Promise.all(
      children.map(async ({ rank, ended }) => {
        const end = await ended;
        if (end.status === 0 || stopping) return;
        failure ??= { status: end.status, text: `process ${rank} ${end.text}` };
        endWithin(failureGraceMs);
      }),
    );
  } finally {
    clearTimeout(deadline);
    for (const signal of FORWARDED) process.off(signal, forward);
  }
  return { status: failure?.status ?? 0, failure: failure?.text };
}

interface End {
  readonly status: number;
  readonly text: string;
}

function start(
  options: SuperviseOptions,
  local: number,
): { rank: number; child: ChildProcess; ended: Promise<End> } {
  const { numProcessesPerNode, numNodes, nodeRank } = options;
  const rank = nodeRank * numProcessesPerNode + local;
  const { TORCHELASTIC_USE_AGENT_STORE: _, ...inherited } = process.env;
  const env = {
    ...inherited,
    RANK: String(rank),
    WORLD_SIZE: String(numNodes * numProcessesPerNode),
    LOCAL_RANK: String(local),
    LOCAL_WORLD_SIZE: String(numProcessesPerNode),
    GROUP_RANK: String(nodeRank),
    MASTER_ADDR: options.masterAddress,
    MASTER_PORT: String(options.masterPort),
  };
  const watch = new URL(`./process-watch${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url);
  // Only the first process's lines stand as they are.
  const output = rank === 0 ? "inherit" : "pipe";
  const child = spawn(
    process.execPath,
    [...process.execArgv, "--import", watch.href, options.program, ...options.args],
    { env, stdio: ["ignore", output, output, "pipe"] },
  );
  const ended = new Promise<End>((resolve) => {
    child.on("error", (error) => resolve({ status: 1, text: `could not be started: ${error.message}` }));
    child.on("close", (code, signal) => resolve(endOf(code, signal)));
  });
  if (child.stdout) prefixLines(child.stdout, process.stdout, rank);
  if (child.stderr) prefixLines(child.stderr, process.stderr, rank);
  return { rank, child, ended };
}

function endOf(code: number | null, signal: NodeJS.Signals | null): End {
  if (signal !== null) return { status: 128 + constants.signals[signal], text: `was ended by ${signal}` };
  return { status: code!, text: `ended with the exit status ${code}` };
}

function prefixLines(from: Readable, to: Writable, rank: number): void {
  createInterface({ input: from, crlfDelay: Number.POSITIVE_INFINITY }).on("line", (line) =>
    to.write(`[process ${rank}] ${line}\n`),
  );
}
