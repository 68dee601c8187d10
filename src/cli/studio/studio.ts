import { Command } from "commander";
import { UsageError, wholeNumber } from "../usage.ts";
import { exportSite } from "./export-site.ts";
import { RunInFolder } from "./run-in-folder.ts";
import { startStudioServer } from "./studio-server.ts";

interface StudioOptions {
  readonly host: string;
  readonly port: number;
  readonly export?: string;
}

export const DEFAULT_STUDIO_PORT = 4870;

/** `dualpipe studio` serves a page on which schedules are drawn, changed and compared. */
export function studioCommand(): Command {
  return new Command("studio")
    .description(
      "Serve a page on which schedules are drawn, changed, compared and explained. It needs no LibTorch.",
    )
    .argument("[runs...]", "folders of runs, to show each next to its plan, while it goes on or later")
    .option(
      "--port <number>",
      "the port to listen to; 0 for any that is free",
      wholeNumber,
      DEFAULT_STUDIO_PORT,
    )
    .option(
      "--host <address>",
      "the address to listen to; other than loopback, the page asks for the token that is printed",
      "127.0.0.1",
    )
    .option("--export <folder>", "write the page as a static site for any web server, and serve nothing")
    .action(runStudio);
}

/** Browsers keep six connections to a server, and each run takes one. */
const MAX_RUNS = 4;

async function runStudio(folders: readonly string[], options: StudioOptions): Promise<void> {
  const { host, port, export: folder } = options;
  if (folder !== undefined) {
    if (folders.length > 0)
      throw new UsageError(
        `studio: an exported page follows no run; got ${folders.join(" ")} with --export; leave one out`,
      );
    exportSite(folder);
    process.stdout.write(`wrote the page to ${folder}; open it through a web server, not as a file\n`);
    return;
  }
  if (folders.length > MAX_RUNS)
    throw new UsageError(`studio: at most ${MAX_RUNS} runs are shown; got ${folders.length}; leave some out`);
  const opened = await Promise.all(folders.map((each) => RunInFolder.open(each)));
  const { address } = await startStudioServer({ host, port, runs: opened.map(({ events }) => events) });
  process.stdout.write(`dualpipe studio: open ${address}\nCtrl-C ends it\n`);
}
