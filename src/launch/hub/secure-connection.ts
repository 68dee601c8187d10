/**
 * Connections that only those who know the run's secret can open, and only they can read.
 *
 * A hub tells processes which code paths to take and carries the tokens that protect the connections of ranks, so a
 * stranger who could join it, or read along, would own the run. Certificates would solve this, but a run has no
 * authority to issue them, and its hosts often have no names. All that its processes share is a text,
 * `DUALPIPE_SECRET`. TLS with a pre-shared key (RFC 4279) needs nothing else: a handshake succeeds only when
 * both ends hold the same key. The ciphers also exchange an ephemeral key (ECDHE, RFC 8442), so a secret that
 * leaks later does not open recorded traffic. OpenSSL offers these ciphers for TLS 1.2.
 *
 * A stranger gets a TLS alert and nothing else, and cannot hold a connection longer than HANDSHAKE_TIMEOUT_MS.
 */
import { createHash } from "node:crypto";
import { once } from "node:events";
import type { AddressInfo, Socket } from "node:net";
import { connect, createServer, type TLSSocket } from "node:tls";

const TLS = {
  ciphers: "ECDHE-PSK-CHACHA20-POLY1305:ECDHE-PSK-AES256-CBC-SHA384",
  minVersion: "TLSv1.2",
  maxVersion: "TLSv1.2",
} as const;
const IDENTITY = "dualpipe";
const HANDSHAKE_TIMEOUT_MS = 10_000;

/** Where a hub listens, and the secret that opens a connection to it. */
export interface HubLocation {
  readonly address: string;
  readonly port: number;
  readonly secret: string;
}

export interface SecureServer {
  readonly port: number;
  /** Stops listening and cuts every connection. */
  close(): void;
}

/** Listens for connections from those who know the secret. */
export async function listenSecurely(
  { address, port, secret }: HubLocation,
  onConnection: (socket: TLSSocket) => void,
): Promise<SecureServer> {
  const key = keyOf(secret);
  const server = createServer({
    ...TLS,
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    pskCallback: (_socket, identity) => (identity === IDENTITY ? key : null),
  });
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  server.on("tlsClientError", (_error, socket) => socket.destroy());
  server.on("secureConnection", onConnection);
  server.listen(port, address);
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** @throws Error with OpenSSL's code (`ERR_SSL_...`) when the other end has another secret. */
export async function connectSecurely(
  { address, port, secret }: HubLocation,
  signal: AbortSignal,
): Promise<TLSSocket> {
  const psk = keyOf(secret);
  const socket = connect({
    ...TLS,
    host: address,
    port,
    pskCallback: () => ({ psk, identity: IDENTITY }),
    // There is no certificate whose name could be checked.
    checkServerIdentity: () => undefined,
  });
  try {
    await once(socket, "secureConnect", { signal });
    return socket;
  } catch (error) {
    socket.on("error", () => {});
    socket.destroy();
    throw error;
  }
}

function keyOf(secret: string): Buffer {
  return createHash("sha256").update(secret).digest();
}
