import { Command } from "commander";
import { wholeNumber } from "../usage.ts";
import { startStudioServer } from "./studio-server.ts";

interface StudioOptions {
  readonly host: string;
  readonly port: number;
}

const DEFAULT_PORT = 4870;

/** `dualpipe studio` serves a page on which schedules are drawn, changed and compared. */
export function studioCommand(): Command {
  return new Command("studio")
    .description(
      "Serve a page on which schedules are drawn, changed, compared and explained. It needs no LibTorch.",
    )
    .option("--port <number>", "the port to listen to; 0 for any that is free", wholeNumber, DEFAULT_PORT)
    .option(
      "--host <address>",
      "the address to listen to; other than loopback, the page asks for the token that is printed",
      "127.0.0.1",
    )
    .action(runStudio);
}

async function runStudio({ host, port }: StudioOptions): Promise<void> {
  const { address } = await startStudioServer({ host, port });
  process.stdout.write(`dualpipe studio: open ${address}\nCtrl-C ends it\n`);
}
