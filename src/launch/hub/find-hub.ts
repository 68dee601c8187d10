/**
 * Finding the hub of a run. Which process serves it depends on the launcher:
 *
 * - `dualpipe launch` serves it itself, at the master's address and port.
 * - Slurm, Open MPI and torchrun without a store leave that port free: process 0 serves it there.
 * - torchrun's agent occupies the port with a store of its own. Process 0 serves the hub at any free port, and
 *   writes its location and a fresh secret into the store, where the other processes read it.
 */
import { randomBytes } from "node:crypto";
import type { Addon } from "../../native/addon.ts";
import { LaunchError } from "../launch-error.ts";
import { isCount, isText, parseJson, record } from "../message-shapes.ts";
import { type ProcessPlacement, publicSecret, runOfProcesses } from "../process-placement.ts";
import { Hub } from "./hub.ts";
import type { JoinOptions } from "./hub-member.ts";
import type { HubLocation } from "./secure-connection.ts";
import { TorchrunStore } from "./torchrun-store.ts";

/** The hub of a run, as one of its processes sees it. */
export interface ProcessHub {
  /** Looks up the hub's location, or says why that is not possible now; another call may find another one. */
  readonly locate: JoinOptions["locate"];
  /** The hub itself, in the process that serves it. */
  readonly served: Hub | undefined;
}

/**
 * Finds the hub of a run, and serves it if that is this process's task.
 * @param address The address at which this process listens.
 * @throws LaunchError
 */
export async function findHub(
  addon: Addon,
  placement: ProcessPlacement,
  address: string,
): Promise<ProcessHub> {
  const { masterAddress, masterPort, hub, process, numProcesses } = placement;
  if (typeof hub === "object")
    return findByStore(
      new TorchrunStore(addon, masterAddress, masterPort, hub.storeKey),
      runOfProcesses(addon, placement),
      placement,
      address,
    );
  const secret = placement.secret ?? publicSecret(masterPort);
  const location = { address: masterAddress, port: masterPort, secret };
  if (hub === "launcher" || process !== 0) return { locate: async () => location, served: undefined };
  const own = { ...location, address };
  const served = await Hub.listen({
    ...own,
    numMembers: numProcesses,
    run: runOfProcesses(addon, placement),
  });
  return { locate: async () => own, served };
}

async function findByStore(
  store: TorchrunStore,
  run: string,
  placement: ProcessPlacement,
  address: string,
): Promise<ProcessHub> {
  const { process, numProcesses } = placement;
  if (process !== 0) {
    const locate: ProcessHub["locate"] = async (signal) => {
      const entry = await store.get(signal);
      return typeof entry === "string" ? entry : locationFrom(entry.text, store);
    };
    return { locate, served: undefined };
  }
  const secret = randomBytes(32).toString("hex");
  const served = await Hub.listen({ address, port: 0, secret, numMembers: numProcesses, run });
  const location = { address, port: served.port, secret };
  return {
    locate: async (signal) => (await store.set(JSON.stringify(location), signal)) ?? location,
    served,
  };
}

const isLocation = record({ address: isText, port: isCount, secret: isText });

/** @throws LaunchError RENDEZVOUS_FAILED; anyone who reaches the store may have written it. */
function locationFrom(text: string, store: TorchrunStore): HubLocation {
  const location = parseJson(text);
  if (isLocation(location) && location.port <= 65_535) return location;
  throw new LaunchError(
    "RENDEZVOUS_FAILED",
    `${store.name} must say where the hub of the run is; its entry is none of process 0's; start the run again, and check that no other program uses the store`,
  );
}
