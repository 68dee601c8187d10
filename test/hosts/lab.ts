import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export interface LabOptions {
  readonly numHosts: number;
  /** The one-way delay of each frame. */
  readonly delayMs: number;
  /** The rate of each link in the notation of tc, such as `200mbit`. */
  readonly rate: string;
}

const SWITCH_SOURCE = fileURLToPath(new URL("./switch.cpp", import.meta.url));
const SCRIPT = fileURLToPath(new URL("./lab.sh", import.meta.url));
/** Creates namespaces for users, networks and mounts, which needs no root. */
const UNSHARE = ["unshare", "--user", "--map-root-user", "--net", "--mount"];

/** The reason why this machine cannot have several hosts; undefined when it can. */
export function whyNoLab(): string | undefined {
  const tried = spawnSync(UNSHARE[0]!, [...UNSHARE.slice(1), "sh", "-c", "ip netns list && tc qdisc show"], {
    encoding: "utf8",
  });
  return tried.status === 0 ? undefined : (tried.error?.message ?? tried.stderr.trim());
}

/** Hosts with their own addresses, in network namespaces of this machine. */
export class Lab implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #folder: string;
  readonly #lines: AsyncIterator<string>;

  static async start({ numHosts, delayMs, rate }: LabOptions): Promise<Lab> {
    const folder = mkdtempSync(join(tmpdir(), "dualpipe-lab-"));
    const program = join(folder, "switch");
    const compiled = spawnSync(
      "c++",
      ["-std=c++17", "-O2", "-Wall", "-Wextra", SWITCH_SOURCE, "-o", program],
      {
        encoding: "utf8",
      },
    );
    if (compiled.status !== 0) throw new Error(`the switch does not compile: ${compiled.stderr}`);
    const args = [SCRIPT, program, String(numHosts), String(1000 * delayMs), rate];
    const child = spawn(UNSHARE[0]!, [...UNSHARE.slice(1), "sh", ...args], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    const lab = new Lab(child, folder);
    await lab.#expectLine("ready");
    return lab;
  }

  private constructor(child: ChildProcess, folder: string) {
    this.#child = child;
    this.#folder = folder;
    this.#lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  }

  addressOf(host: number): string {
    return `10.77.0.${host + 1}`;
  }

  /** The words that, put before a command, run it on a host. */
  on(host: number): string[] {
    const enter = [
      "nsenter",
      `--target=${this.#child.pid}`,
      "--user",
      "--net",
      "--mount",
      "--preserve-credentials",
    ];
    return [...enter, "ip", "netns", "exec", `host${host}`];
  }

  /** Drops every frame from and to this host from now on; neither end is told. */
  async cut(host: number): Promise<void> {
    await this.#order(`cut ${host}`);
  }

  async repair(host: number): Promise<void> {
    await this.#order(`repair ${host}`);
  }

  async #order(order: string): Promise<void> {
    this.#child.stdin!.write(`${order}\n`);
    await this.#expectLine(order);
  }

  async #expectLine(expected: string): Promise<void> {
    const { value, done } = await this.#lines.next();
    if (done || value !== expected)
      throw new Error(`the lab said ${value ?? "nothing"} in place of ${expected}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin!.end();
    if (this.#child.exitCode === null) await once(this.#child, "close");
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
