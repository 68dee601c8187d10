// A program that is loaded first (--import) in every process of a launcher. It ends the process, and all that it has
// started, when the launcher ends. And it tells the launcher whether the process listens to SIGUSR1: in one that does
// not, Node opens its debugger at that signal, at a port of the host.
import { Socket } from "node:net";
import { isMainThread } from "node:worker_threads";
import { LAUNCHER_PIPE, LISTENING, NOT_LISTENING } from "./watch-pipe.ts";

const SIGNAL = "SIGUSR1";

if (isMainThread) {
  const launcher = new Socket({ fd: LAUNCHER_PIPE, readable: true, writable: true });
  launcher.on("error", () => {});
  // The process leads its group, with all that it has started.
  launcher.on("close", () => process.kill(-process.pid, "SIGKILL"));
  launcher.resume();
  launcher.unref();
  process.on("newListener", (name) => {
    if (name === SIGNAL) launcher.write(LISTENING);
  });
  process.on("removeListener", (name) => {
    if (name === SIGNAL && process.listenerCount(SIGNAL) === 0) launcher.write(NOT_LISTENING);
  });
  forgetThisProgram(process.execArgv);
}

/** Removes this program from the options that a process which the program forks would inherit. */
function forgetThisProgram(options: string[]): void {
  const index = options.indexOf(import.meta.url);
  if (options[index - 1] === "--import") options.splice(index - 1, 2);
}
