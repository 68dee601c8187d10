import type { ProcessPlacement } from "../../src/launch/process-placement.ts";
import type { Network, ProcessLayout } from "../../src/transport/processes/connect-processes.ts";

/** The placement of a process in a run whose hub is at a port of this host. */
export function loopbackPlacement(
  masterPort: number,
  { process, numProcesses, ranksPerProcess }: ProcessLayout,
  network?: Network,
): ProcessPlacement {
  const address = "127.0.0.1";
  return {
    process,
    numProcesses,
    ranksPerProcess,
    masterAddress: address,
    masterPort,
    hub: "process 0",
    address,
    secret: undefined,
    network,
  };
}
