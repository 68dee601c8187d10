import { randomBytes } from "node:crypto";
import type { Addon } from "../../native/addon.ts";
import { glooOf } from "../../transport/gloo/connect-processes.ts";
import { type ProcessPlacement, publicSecret } from "../process-placement.ts";
import { Hub } from "./hub.ts";
import type { HubLocation } from "./secure-connection.ts";

/** The hub of a run, for one of its processes. */
export interface ProcessHub {
  /** Looks where it is, anew at each call. */
  locate(): Promise<HubLocation>;
  /** In the process that serves it. */
  readonly served: Hub | undefined;
}

/** Finds the hub of a run, and serves it where that falls to this process. @throws LaunchError */
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
  const served = await Hub.listen({ ...own, numMembers: numProcesses });
  return { locate: async () => own, served };
}

/** The store at the master's port is another program's; there process 0 says where it listens itself. */
async function findByStore(
  addon: Addon,
  { masterAddress, masterPort, process, numProcesses, address }: ProcessPlacement,
  key: string,
  rendezvousTimeoutMs: number,
): Promise<ProcessHub> {
  const exchange = (value?: Uint8Array): Promise<Uint8Array> =>
    glooOf(addon).exchange(masterAddress, masterPort, key, value, rendezvousTimeoutMs);
  if (process !== 0)
    return {
      locate: async () => JSON.parse(Buffer.from(await exchange()).toString()) as HubLocation,
      served: undefined,
    };
  const secret = randomBytes(32).toString("hex");
  const served = await Hub.listen({ address, port: 0, secret, numMembers: numProcesses });
  const location = { address, port: served.port, secret };
  await exchange(Buffer.from(JSON.stringify(location)));
  return { locate: async () => location, served };
}
