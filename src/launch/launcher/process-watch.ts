// A program that is loaded first (--import) in every process of a launcher, and ends it when the launcher ends.
import { Socket } from "node:net";
import { isMainThread } from "node:worker_threads";
import { LAUNCHER_PIPE } from "./host-processes.ts";

if (isMainThread) {
  const launcher = new Socket({ fd: LAUNCHER_PIPE, readable: true, writable: false });
  launcher.on("error", () => {});
  launcher.on("close", () => process.kill(process.pid, "SIGKILL"));
  launcher.resume();
  launcher.unref();
}
