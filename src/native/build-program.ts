// The build as a program, for `loadAddon`, which waits for it without an event loop: argument 1 is a cache as JSON.
// Progress goes to standard error, the outcome as JSON to standard output.
import { readEnvironment } from "../errors/environment.ts";
import { buildAddon } from "./build.ts";
import type { BuildOutcome } from "./load.ts";
import { NativeSetupError } from "./setup-error.ts";

// `exit` ends the compilers, and runs only when a signal is handled.
process.on("SIGINT", () => process.exit(130));
process.on("SIGTERM", () => process.exit(143));
process.on("SIGHUP", () => process.exit(129));

const { folders, sources } = JSON.parse(process.argv[2]!) as { folders: string[]; sources: string };
let outcome: BuildOutcome;
try {
  const cache = { folders, sources, env: readEnvironment() };
  const onProgress = (line: string) => process.stderr.write(`dualpipe: ${line}\n`);
  outcome = { path: (await buildAddon({ cache, onProgress })).path };
} catch (error) {
  if (!(error instanceof NativeSetupError)) throw error;
  outcome = { code: error.code, problem: error.problem };
}
process.stdout.write(JSON.stringify(outcome));
