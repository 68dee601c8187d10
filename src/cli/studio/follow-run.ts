import type { TrainConfig } from "../../trainer/config/config.ts";
import { LiveRun } from "./live-run.ts";
import { startStudioServer } from "./studio-server.ts";

/**
 * Serves the page of a run of this process on loopback, and prints its address.
 * @param port 0 for any that is free.
 * @returns The listener to train with, and what ends the server.
 */
export async function followRun(config: TrainConfig, port: number) {
  const listener = new LiveRun(config);
  const { address, close } = await startStudioServer({ host: "127.0.0.1", port, runs: [listener.events] });
  process.stderr.write(`dualpipe studio: open ${address}\n`);
  return { listener, close };
}
