/**
 * One process of a run, and all that it starts in turn.
 *
 * A program starts others: compilers, loaders, shells. When it dies, they may live on, and they hold what they have
 * inherited: a port, memory, and the pipe of its output, whose end would come only with theirs. So a process leads a
 * group of its own. Its end is its own exit, not that of its output, and with it the group is killed. Only a program
 * that has left the group, as a daemon does, survives; what it writes after OUTPUT_TIMEOUT_MS is lost.
 *
 * A group of its own is not that of the terminal, so what the terminal would tell it (Ctrl-C, Ctrl-Z, the end) must
 * come from the launcher, for the whole group. A SIGTERM is for the process alone, which may still need its helpers.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { EXIT_STATUS } from "../exit-status.ts";
import type { Failure } from "./launch-options.ts";
import { LAUNCHER_PIPE, LISTENING } from "./watch-pipe.ts";

/** How long the output of a process that has exited may still come. */
const OUTPUT_TIMEOUT_MS = 1_000;

export class LaunchedProcess {
  readonly rank: number;
  /** Resolves when the process has exited, with its failure if it failed. */
  readonly exited: Promise<Failure | undefined>;
  /** Resolves when its output has ended as well. */
  readonly ended: Promise<void>;
  readonly #child: ChildProcess;
  #isUnresponsive = false;
  #listensToUsr1 = false;

  /** @param args The program, a file for Node, and its arguments. */
  constructor(rank: number, args: readonly string[], env: NodeJS.ProcessEnv) {
    this.rank = rank;
    const watch = new URL(
      `./process-watch${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`,
      import.meta.url,
    );
    // The lines of process 0 are printed unchanged.
    const output = rank === 0 ? "inherit" : "pipe";
    this.#child = spawn(process.execPath, [...process.execArgv, "--import", watch.href, ...args], {
      env,
      stdio: ["ignore", output, output, "pipe"],
      detached: true,
    });
    this.exited = this.#untilExit();
    this.ended = this.#untilEnd();
    const pipe = this.#child.stdio[LAUNCHER_PIPE]!;
    pipe.on("error", () => {});
    pipe.on("data", (told: Buffer) => {
      this.#listensToUsr1 = told.toString().endsWith(LISTENING);
    });
    const { stdout, stderr } = this.#child;
    if (stdout) prefixLines(stdout, process.stdout, rank);
    if (stderr) prefixLines(stderr, process.stderr, rank);
  }

  /** Passes SIGUSR1 on, if the process does something else with it than to open Node's debugger. */
  askForCheckpoint(): void {
    if (this.#listensToUsr1) this.#child.kill("SIGUSR1");
  }

  /** Passes on a signal that the launcher got. */
  signal(signal: NodeJS.Signals): void {
    if (signal === "SIGTERM") this.#child.kill(signal);
    else this.#signalGroup(signal);
  }

  kill(): void {
    this.#signalGroup("SIGKILL");
  }

  /** Kills the process because it sends no heartbeats. */
  killUnresponsive(): void {
    this.#isUnresponsive = true;
    this.kill();
  }

  #signalGroup(signal: NodeJS.Signals): void {
    const { pid } = this.#child;
    if (pid === undefined) return;
    try {
      process.kill(-pid, signal);
    } catch {
      // The whole group has ended.
    }
  }

  #untilExit(): Promise<Failure | undefined> {
    const { rankFailed, timedOut } = EXIT_STATUS;
    return new Promise((resolve) => {
      const fail = (status: number, how: string): void =>
        resolve({ status, text: `process ${this.rank} ${how}` });
      this.#child.on("error", (error) => fail(rankFailed, `could not be started: ${error.message}`));
      this.#child.on("exit", (code, signal) => {
        this.kill();
        if (code === 0) resolve(undefined);
        else if (signal === null) fail(code!, `ended with exit status ${describeStatus(code!)}`);
        else if (this.#isUnresponsive) fail(timedOut, "sent no heartbeat and was killed");
        else fail(rankFailed, `was killed by ${signal}`);
      });
    });
  }

  async #untilEnd(): Promise<void> {
    const closed = new Promise((resolve) => this.#child.on("close", resolve));
    await this.exited;
    if (this.#child.pid === undefined) return;
    const timer = setTimeout(() => {
      for (const stream of this.#child.stdio) stream?.destroy();
    }, OUTPUT_TIMEOUT_MS);
    await closed;
    clearTimeout(timer);
  }
}

function describeStatus(status: number): string {
  const { rankFailed, timedOut } = EXIT_STATUS;
  const meanings: Readonly<Record<number, string>> = {
    [rankFailed]: "a rank failed",
    [timedOut]: "a timeout",
  };
  return meanings[status] === undefined ? String(status) : `${status} (${meanings[status]})`;
}

function prefixLines(from: Readable, to: Writable, rank: number): void {
  createInterface({ input: from, crlfDelay: Number.POSITIVE_INFINITY }).on("line", (line) =>
    to.write(`[process ${rank}] ${line}\n`),
  );
}
