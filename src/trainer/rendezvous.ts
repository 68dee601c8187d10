import { ConnectedProcesses } from "../launch/connected-processes.ts";
import type { ProcessPlacement } from "../launch/process-placement.ts";
import type { Addon } from "../native/addon.ts";
import { prepareAddon } from "../native/load.ts";
import type { TrainConfig } from "./config/config.ts";
import { checksumOfShared } from "./config/same-config.ts";

/** Connects the processes of a run, with the timeouts of its configuration. @throws LaunchError */
export async function connectForRun(
  config: TrainConfig,
  placement: ProcessPlacement,
  signal: AbortSignal | undefined,
): Promise<ConnectedProcesses> {
  const { timeouts } = config;
  const purpose = `the configuration ${checksumOfShared(config)}`;
  return ConnectedProcesses.connect(
    await prepareAddon<Addon>(signal),
    { ...placement, purpose },
    {
      rendezvousTimeoutMs: 1000 * timeouts.meetSeconds,
      heartbeatTimeoutMs: 1000 * timeouts.silenceSeconds,
      signal,
    },
  );
}
