import { close, url } from "node:inspector";
import { readEnvironment } from "../errors/environment.ts";

/**
 * Closes Node's debugger, which a SIGUSR1 opens that comes while Node starts, before any program can listen to it; not
 * one that the options of Node asked for.
 */
export function closeUnwantedDebugger(): void {
  const options = [...process.execArgv, readEnvironment().NODE_OPTIONS ?? ""];
  if (url() !== undefined && !options.some((text) => /--inspect(?!-port|-publish)/.test(text))) close();
}
