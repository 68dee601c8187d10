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
import { glooOf } from "../../transport/gloo/connect-processes.ts";
import { LaunchError } from "../launch-error.ts";
import { isCount, isText, parseJson, record } from "../message-shapes.ts";
import { type ProcessPlacement, publicSecret, runOfProcesses } from "../process-placement.ts";
import { Hub } from "./hub.ts";
import type { HubLocation } from "./secure-connection.ts";

/** The hub of a run, as one of its processes sees it. */
export interface ProcessHub {
  /** Looks up the hub's location; another call may find another one. */
  locate(): Promise<HubLocation>;
  /** The hub itself, in the process that serves it. */
  readonly served: Hub | undefined;
}

/** Finds the hub of a run, and serves it if that is this process's task. @throws LaunchError */
export async function findHub(
  addon: Addon,
  placement: ProcessPlacement,
  rendezvousTimeoutMs: number,
): Promise<ProcessHub> {
  const { masterAddress, masterPort, hub, process, numProcesses } = placement;
  if (typeof hub === "object") return findByStore(addon, placement, hub.storeKey, rendezvousTimeoutMs);
  const secret = placement.secret ?? publicSecret(masterAddress, masterPort);
  const location = { address: masterAddress, port: masterPort, secret };
  if (hub === "launcher" || process !== 0) return { locate: async () => location, served: undefined };
  const own = { ...location, address: placement.address };
  const served = await Hub.listen({ ...own, numMembers: numProcesses, run: runOfProcesses(placement) });
  return { locate: async () => own, served };
}

async function findByStore(
  addon: Addon,
  placement: ProcessPlacement,
  key: string,
  rendezvousTimeoutMs: number,
): Promise<ProcessHub> {
  const { masterAddress, masterPort, process, numProcesses, address } = placement;
  const exchange = (value?: Uint8Array): Promise<Uint8Array> =>
    glooOf(addon).exchange(masterAddress, masterPort, key, value, rendezvousTimeoutMs);
  if (process !== 0)
    return {
      locate: async () => locationFrom(await exchange(), `${masterAddress}:${masterPort}`),
      served: undefined,
    };
  const secret = randomBytes(32).toString("hex");
  const run = runOfProcesses(placement);
  const served = await Hub.listen({ address, port: 0, secret, numMembers: numProcesses, run });
  const location = { address, port: served.port, secret };
  await exchange(Buffer.from(JSON.stringify(location)));
  return { locate: async () => location, served };
}

const isLocation = record({ address: isText, port: isCount, secret: isText });

/** @throws LaunchError RENDEZVOUS_FAILED; anyone who reaches the store may have written it. */
function locationFrom(value: Uint8Array, store: string): HubLocation {
  const location = parseJson(Buffer.from(value).toString());
  if (isLocation(location) && location.port <= 65_535) return location;
  throw new LaunchError(
    "RENDEZVOUS_FAILED",
    `the store at ${store} must say where the hub of the run is; its entry is none of process 0's; start the run again, and check that no other program uses the store`,
  );
}
