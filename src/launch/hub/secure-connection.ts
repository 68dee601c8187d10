import { createHash } from "node:crypto";
import { once } from "node:events";
import type { AddressInfo, Socket } from "node:net";
import { connect, createServer, type TLSSocket } from "node:tls";

/**
 * Both ends must know the secret, and nobody else can read along: TLS with a pre-shared key and forward secrecy
 * (RFC 4279, RFC 8442). OpenSSL has such ciphers for TLS 1.2.
 */
const TLS = {
  ciphers: "ECDHE-PSK-CHACHA20-POLY1305:ECDHE-PSK-AES256-CBC-SHA384",
  minVersion: "TLSv1.2",
  maxVersion: "TLSv1.2",
} as const;
const IDENTITY = "dualpipe";
/** A stranger who says nothing is cut off then. */
const HANDSHAKE_TIMEOUT_MS = 10_000;

/** Where a hub listens, and what whoever comes must know. */
export interface HubLocation {
  readonly address: string;
  readonly port: number;
  readonly secret: string;
}

export interface SecuredServer {
  readonly port: number;
  /** Cuts off everybody. */
  close(): void;
}

/** Listens for those who know the secret; all others are cut off and told nothing. */
export async function listenSecured(
  { address, port, secret }: HubLocation,
  onConnection: (socket: TLSSocket) => void,
): Promise<SecuredServer> {
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
export async function connectSecured(
  { address, port, secret }: HubLocation,
  signal: AbortSignal,
): Promise<TLSSocket> {
  const psk = keyOf(secret);
  const socket = connect({
    ...TLS,
    host: address,
    port,
    pskCallback: () => ({ psk, identity: IDENTITY }),
    // There are no certificates whose names could be checked.
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
