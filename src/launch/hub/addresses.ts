/**
 * Names and addresses of hosts.
 *
 * A pod gets its name when it starts, and others may ask for it before; a name server that restarts does not answer for
 * a while. So a name is waited for like everything else that a rendezvous needs.
 *
 * The variables of a launcher say where to reach the master, but not at which address this host can be reached. A host
 * may have many addresses; the right one is that of the interface on the route to the master, which the kernel tells
 * when a UDP socket is connected to it. No packet is sent.
 */
import { createSocket } from "node:dgram";
import { lookup } from "node:dns/promises";
import { once } from "node:events";
import { type Membership, Waiting } from "./waiting.ts";

/** How a name is answered that does not exist, or not yet. */
export const UNRESOLVED_CODES: readonly string[] = ["ENOTFOUND", "EAI_AGAIN", "EAI_NODATA"];

/**
 * Waits until a name has an address.
 * @returns The address, which is one of IPv4 if there is one, so that all members choose the same.
 * @throws LaunchError RENDEZVOUS_TIMEOUT
 */
export async function untilResolved(name: string, membership: Membership): Promise<string> {
  const waiting = new Waiting(membership);
  return waiting.until(async () => {
    try {
      const found = await lookup(name, { all: true });
      return (found.find(({ family }) => family === 4) ?? found[0])?.address;
    } catch (error) {
      const { code = "", message } = error as NodeJS.ErrnoException;
      if (!UNRESOLVED_CODES.includes(code)) throw error;
      waiting.obstacle = `${name} has no address yet: ${message}`;
      return undefined;
    }
  });
}

/** The address of this host on the route to another one. */
export async function addressTowards(host: string, port: number): Promise<string> {
  const socket = createSocket(host.includes(":") ? "udp6" : "udp4");
  try {
    socket.connect(port, host);
    await once(socket, "connect");
    return socket.address().address;
  } finally {
    socket.close();
  }
}
