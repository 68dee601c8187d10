import { createHmac } from "node:crypto";
import type { Addon } from "../../native/addon.ts";
import { TransportError } from "../transport-error.ts";

/** Which process of a run this is: process `p` has the ranks `p * ranksPerProcess` and following. */
export interface ProcessPlace {
  readonly process: number;
  readonly numProcesses: number;
  readonly ranksPerProcess: number;
}

export interface ConnectOptions {
  /** By which this process finds the connections again; unique in it. */
  readonly name: string;
  readonly place: ProcessPlace;
  /** Where this process listens for the others. */
  readonly address: string;
  /** Known to the processes of the run alone, and new for each attempt to connect. */
  readonly secret: string;
  readonly connectTimeoutMs: number;
  /** How long the other processes have to leave, once this one has. */
  readonly leaveTimeoutMs: number;
  /** Gets what all other processes must `learn`. */
  readonly publish: (key: string, value: Uint8Array) => void;
}

/** An attempt to connect that is under way. */
export interface Connecting {
  learn(key: string, value: Uint8Array): void;
  /** Rejects when one of the others is not there in time, or somebody else took its place. */
  readonly connected: Promise<void>;
}

/**
 * Connects this process to all others over Gloo, without blocking this thread.
 * @throws TransportError NO_GLOO when this LibTorch has no Gloo.
 */
export function connectProcesses(addon: Addon, options: ConnectOptions): Connecting {
  const { name, place, address, secret, connectTimeoutMs, leaveTimeoutMs, publish } = options;
  const c10d = c10dOf(addon);
  const token = (from: number, to: number): string =>
    createHmac("sha256", secret).update(`${from} to ${to}`).digest("hex");
  const processes = Array.from({ length: place.numProcesses }, (_, process) => process);
  const { store, connected } = c10d.connect(
    {
      name,
      ...place,
      address,
      connectTimeoutMs,
      leaveTimeoutMs,
      ownTokens: processes.map((other) => token(place.process, other)),
      theirTokens: processes.map((other) => token(other, place.process)),
    },
    publish,
  );
  return { learn: (key, value) => c10d.learn(store, key, value), connected };
}

/** Ends every wait of a run's ranks, in all processes, for a thread that is no rank. False when they are not connected. */
export function abortProcesses(addon: Addon, name: string, reason: string): boolean {
  return c10dOf(addon).abort(name, "", reason);
}

/** Ends the connections of a process whose ranks have not left, and will not. */
export function disconnectProcesses(addon: Addon, name: string): void {
  c10dOf(addon).disconnect(name);
}

/** @throws TransportError NO_GLOO */
export function c10dOf({ c10d }: Addon): NonNullable<Addon["c10d"]> {
  if (c10d === null)
    throw new TransportError(
      "NO_GLOO",
      "ranks in several processes need Gloo, which this LibTorch was built without; see: npx dualpipe doctor",
    );
  return c10d;
}
