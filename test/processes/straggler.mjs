// Loaded first in every process of a launcher: the second process hangs forever.
import { isMainThread } from "node:worker_threads";

if (isMainThread && process.env.RANK === "1") Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
