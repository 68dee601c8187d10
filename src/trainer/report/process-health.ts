/*
 * What a process of a run tells about itself while the run goes on. The main thread tells it, so a process whose main
 * thread hangs falls silent, although its ranks may still compute. It is a few bytes every other second.
 */
import { hostname } from "node:os";

const TELL_MS = 2_000;

export interface ProcessHealth {
  readonly host: string;
  readonly pid: number;
  /** Resident memory of the process. */
  readonly memoryBytes: number;
}

/** Tells the health of this process now and every two seconds, until it is disposed. */
export function tellHealth(tell: (health: ProcessHealth) => void): Disposable {
  const now = () => tell({ host: hostname(), pid: process.pid, memoryBytes: process.memoryUsage.rss() });
  now();
  const timer = setInterval(now, TELL_MS).unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
