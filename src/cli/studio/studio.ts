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
    .argument("[run]", "the folder of a run, to show it next to its plan, while it goes on or later")
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

async function runStudio(run: string | undefined, options: StudioOptions): Promise<void> {
  const { host, port, export: folder } = options;
  if (folder !== undefined) {
    if (run !== undefined)
      throw new UsageError(
        `studio: an exported page follows no run; got ${run} with --export; leave one out`,
      );
    exportSite(folder);
    process.stdout.write(`wrote the page to ${folder}; open it through a web server, not as a file\n`);
    return;
  }
  const events = run === undefined ? undefined : (await RunInFolder.open(run)).events;
  const { address } = await startStudioServer({ host, port, events });
  process.stdout.write(`dualpipe studio: open ${address}\nCtrl-C ends it\n`);
}
