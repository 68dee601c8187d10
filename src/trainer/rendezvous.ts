import { ConnectedProcesses } from "../launch/connected-processes.ts";
import type { ProcessPlacement } from "../launch/process-placement.ts";
import type { Addon } from "../native/addon.ts";
import { prepareAddon } from "../native/load.ts";
import type { TrainConfig } from "./config/config.ts";

/** Connects the processes of a run, with the timeouts of its configuration. @throws LaunchError */
export async function connectForRun(
  { timeouts }: TrainConfig,
  placement: ProcessPlacement,
  signal: AbortSignal | undefined,
): Promise<ConnectedProcesses> {
  return ConnectedProcesses.connect(await prepareAddon<Addon>(signal), placement, {
    rendezvousTimeoutMs: 1000 * timeouts.meetSeconds,
    heartbeatTimeoutMs: 1000 * timeouts.silenceSeconds,
    signal,
  });
}
