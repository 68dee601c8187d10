import { ConnectedProcesses } from "../launch/connected-processes.ts";
import type { ProcessPlacement } from "../launch/process-placement.ts";
import type { Addon } from "../native/addon.ts";
import { prepareAddon } from "../native/load.ts";
import type { PartsOutcome } from "./checkpoint/part-writer.ts";
import type { CheckpointRequest } from "./checkpoint/requests.ts";
import type { TrainConfig } from "./config/config.ts";

/** What the main threads of a run's processes say to one another. */
export type TrainMessage =
  /** To process 0: what became of the sender's parts of a checkpoint. */
  | { readonly kind: "parts"; readonly step: number; readonly outcome: PartsOutcome }
  /** To process 0: a signal has asked for a checkpoint. */
  | { readonly kind: "request"; readonly request: Exclude<CheckpointRequest, "none"> }
  /** From process 0: a checkpoint was written or given up. */
  | { readonly kind: "checkpointDone" };

/** Meets the other processes of a run, with the time that the configuration gives them. @throws LaunchError */
export async function meetForTraining(
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
