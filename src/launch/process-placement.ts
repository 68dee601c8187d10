import { createSocket } from "node:dgram";
import { once } from "node:events";
import type { ProcessPlacement } from "../transport/c10d.ts";
import { readLaunchVariables } from "./environment.ts";
import { LaunchError } from "./launch-error.ts";

/**
 * Where this process stands in a run of `numRanks` ranks, from its launcher's variables; each process has equally many
 * ranks. `DUALPIPE_ADDRESS` sets the address at which it listens for the others.
 * @returns Undefined when no launcher has started this process.
 * @throws LaunchError
 */
export async function processPlacement(
  numRanks: number,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Promise<ProcessPlacement | undefined> {
  const variables = readLaunchVariables(env);
  if (variables === undefined) return undefined;
  const { numProcesses, masterAddress, masterPort, launcherStore } = variables;
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
    launcherStore,
    address: env.DUALPIPE_ADDRESS ?? (await addressTowards(masterAddress, masterPort)),
  };
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
