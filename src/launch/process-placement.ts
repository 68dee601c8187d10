import { createSocket } from "node:dgram";
import { once } from "node:events";
import type { ProcessLayout } from "../transport/gloo/connect-processes.ts";
import { LaunchError } from "./launch-error.ts";
import { type HubServer, readLaunchVariables } from "./launcher-variables.ts";

/** Where a process stands in a run, and how it finds the others. */
export interface ProcessPlacement extends ProcessLayout {
  /** Where the processes meet. */
  readonly masterAddress: string;
  readonly masterPort: number;
  readonly hub: HubServer;
  /** Where this process listens for the others. */
  readonly address: string;
  /** What all processes know and strangers do not; undefined when none was given. */
  readonly secret: string | undefined;
}

/** Holds what all processes of a run, and nobody else, know. */
export const SECRET_VARIABLE = "DUALPIPE_SECRET";
/** Sets the address at which a host listens for the others. */
export const ADDRESS_VARIABLE = "DUALPIPE_ADDRESS";

/**
 * Where this process stands in a run of `numRanks` ranks, from its launcher's variables; each process has equally many
 * ranks. `DUALPIPE_ADDRESS` sets the address at which it listens for the others, `DUALPIPE_SECRET` what strangers do not know.
 * @returns Undefined when no launcher has started this process.
 * @throws LaunchError
 */
export async function processPlacement(
  numRanks: number,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Promise<ProcessPlacement | undefined> {
  const variables = readLaunchVariables(env);
  if (variables === undefined) return undefined;
  const { numProcesses, masterAddress, masterPort, hub } = variables;
  if (numRanks % numProcesses !== 0)
    throw new LaunchError(
      "UNEVEN_RANKS",
      `ranks must go evenly into processes; got ${numRanks} ranks and ${numProcesses} processes; start ${divisorsOf(numRanks).join(", ")} processes, or change the ranks`,
    );
  return {
    process: variables.process,
    numProcesses,
    ranksPerProcess: numRanks / numProcesses,
    masterAddress,
    masterPort,
    hub,
    address: env[ADDRESS_VARIABLE] ?? (await addressTowards(masterAddress, masterPort)),
    secret: env[SECRET_VARIABLE] || undefined,
  };
}

/** What keeps accidents out where no secret was given: everybody can know it. */
export function publicSecret(masterAddress: string, masterPort: number): string {
  return `dualpipe at ${masterAddress}:${masterPort}`;
}

/** The address of this host on its way to another. Nothing is sent. */
async function addressTowards(host: string, port: number): Promise<string> {
  const socket = createSocket(host.includes(":") ? "udp6" : "udp4");
  try {
    socket.connect(port, host);
    await once(socket, "connect");
    return socket.address().address;
  } finally {
    socket.close();
  }
}

function divisorsOf(whole: number): number[] {
  return Array.from({ length: whole }, (_, i) => i + 1).filter((divisor) => whole % divisor === 0);
}
