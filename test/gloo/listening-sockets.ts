import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** A socket that accepts connections. */
export interface ListeningSocket {
  readonly address: string;
  readonly port: number;
}

const LISTENING = "0A";

/** The listening sockets of this host, or of some of its processes, according to /proc. */
export function listeningSockets(pids?: readonly number[]): ListeningSocket[] {
  const own = pids && new Set(pids.flatMap(openFiles));
  return ["tcp", "tcp6"].flatMap((table) =>
    readFileSync(`/proc/self/net/${table}`, "utf8")
      .split("\n")
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      .filter(
        ([, , , state, , , , , , inode]) => state === LISTENING && own?.has(`socket:[${inode}]`) !== false,
      )
      .map(([, local]) => {
        const [address, port] = local!.split(":");
        return { address: readable(address!), port: Number.parseInt(port!, 16) };
      }),
  );
}

function openFiles(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => linkOf(`/proc/${pid}/fd/${fd}`));
  } catch {
    return [];
  }
}

/** Nothing for a file that was closed in the meantime, such as that of the listing itself. */
function linkOf(path: string): string[] {
  try {
    return [readlinkSync(path)];
  } catch {
    return [];
  }
}

/** The address in dots; Linux writes the bytes of an IPv4 address last to first. */
function readable(address: string): string {
  return address.length === 8 ? [...Buffer.from(address, "hex")].reverse().join(".") : address;
}
