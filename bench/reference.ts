import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { RankMeasurement, Span } from "./step-spans.ts";
import type { Workload } from "./workload.ts";

/** Where the reference implementation is, and the Python that runs it. */
export interface Reference {
  readonly checkout: string;
  readonly python: string;
}

export interface ReferenceRank extends RankMeasurement {
  /** Whether each step includes the sum of the mirrored gradients, which the reference leaves to its user. */
  readonly spansWithSum: readonly Span[];
}

export interface ReferenceMeasurement {
  readonly torchVersion: string;
  readonly ranks: readonly ReferenceRank[];
}

// Relative to build/bench, where this file runs as JavaScript.
const DRIVER = fileURLToPath(new URL("../../bench/reference_step.py", import.meta.url));
const LIMIT_MS = 20 * 60_000;

/** Checks the folder. @throws Error when it holds no checkout of the reference. */
export function checkReference({ checkout }: Reference): void {
  if (existsSync(join(checkout, "dualpipe", "dualpipe.py"))) return;
  throw new Error(
    `dualpipe: --reference takes a checkout of the reference implementation, with dualpipe/dualpipe.py in it; got ${checkout}`,
  );
}

/** Runs the driver once. @throws Error with the driver's last lines when it fails. */
export async function measureReference(
  { checkout, python }: Reference,
  workload: Workload,
): Promise<ReferenceMeasurement> {
  const env = { ...process.env, OMP_NUM_THREADS: "1", OPENBLAS_NUM_THREADS: "1", GLOO_SOCKET_IFNAME: "lo" };
  // A process group of its own, so that the driver's processes end with it.
  const child = spawn(python, [DRIVER, JSON.stringify(workload), checkout], { env, detached: true });
  const kill = (): void => {
    if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
  };
  process.once("exit", kill);
  const limit = setTimeout(kill, LIMIT_MS);
  let [output, errors] = ["", ""];
  child.stdout.on("data", (text) => {
    output += text;
  });
  child.stderr.on("data", (text) => {
    errors += text;
  });
  try {
    await new Promise<void>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code, signal) => {
        if (code === 0) resolve();
        else reject(new Error(`the driver ended with ${signal ?? `status ${code}`}\n${errors.slice(-2000)}`));
      });
    });
    return JSON.parse(output) as ReferenceMeasurement;
  } catch (error) {
    throw new Error(`dualpipe: the reference could not be measured: ${(error as Error).message}`, {
      cause: error,
    });
  } finally {
    clearTimeout(limit);
    process.off("exit", kill);
  }
}
