import type { Addon } from "../../native/addon.ts";
import { cryptoModule } from "../../native/programs.ts";
import { TransportError } from "../transport-error.ts";

/**
 * The processes of a run, and which one this is: process `p` has `ranksPerProcess` ranks, from `p * ranksPerProcess`
 * on.
 */
export interface ProcessLayout {
  readonly process: number;
  readonly numProcesses: number;
  readonly ranksPerProcess: number;
}

/** What connects processes: LibTorch's Gloo, or plain TCP sockets. */
export type Network = "gloo" | "sockets";

/**
 * What carries tensors between cards of different processes. `auto`: CUDA IPC within a host, and NCCL between hosts.
 * `nccl`: NCCL in both cases. `host`: the memory of the hosts, and what connects the processes.
 */
export type CardNetwork = "auto" | "nccl" | "host";

export interface ConnectOptions {
  /** The name of the connections in this process. */
  readonly name: string;
  readonly layout: ProcessLayout;
  /** The address at which this process listens for the others. */
  readonly address: string;
  /** Known only to the processes of the run, and new for each attempt to connect. */
  readonly secret: string;
  readonly connectTimeoutMs: number;
  /** The time that the other processes have to leave, once this one has left. */
  readonly leaveTimeoutMs: number;
  /** Gloo where this LibTorch has it, unless said otherwise; the same in all processes. */
  readonly network?: Network | undefined;
  /** `auto` unless said otherwise; the same in all processes. */
  readonly cardNetwork?: CardNetwork | undefined;
  /** Called with each key that all other processes must `learn`. */
  readonly publish: (key: string, value: Uint8Array) => void;
}

/** An attempt to connect that is under way. */
export interface Connecting {
  learn(key: string, value: Uint8Array): void;
  /** Rejects when one of the others does not come in time, or another program answers in its place. */
  readonly connected: Promise<void>;
}

/**
 * Connects this process to all others, without blocking this thread.
 * @throws TransportError NO_GLOO, NO_NCCL when it was asked for, and this LibTorch has none.
 */
export function connectProcesses(addon: Addon, options: ConnectOptions): Connecting {
  const { name, layout, address, secret, connectTimeoutMs, leaveTimeoutMs, publish } = options;
  const { hasGloo } = addon.processes;
  const { network = hasGloo ? "gloo" : "sockets", cardNetwork = "auto" } = options;
  checkNetworks(addon, options);
  const token = (from: number, to: number): string =>
    cryptoModule().createHmac("sha256", secret).update(`${from} to ${to}`).digest("hex");
  const processes = Array.from({ length: layout.numProcesses }, (_, process) => process);
  const { store, connected } = addon.processes.connect(
    {
      name,
      ...layout,
      address,
      connectTimeoutMs,
      leaveTimeoutMs,
      overGloo: network === "gloo",
      cardNetwork,
      ownTokens: processes.map((other) => token(layout.process, other)),
      theirTokens: processes.map((other) => token(other, layout.process)),
    },
    publish,
  );
  return { learn: (key, value) => addon.processes.learn(store, key, value), connected };
}

/** Ends every wait of a run's ranks, in all processes, from any thread. Returns false when they are not connected. */
export function abortProcesses(addon: Addon, name: string, reason: string): boolean {
  return addon.processes.abort(name, "", reason);
}

/** Ends the connections of a process whose ranks have not left and never will. */
export function disconnectProcesses(addon: Addon, name: string): void {
  addon.processes.disconnect(name);
}

/** @throws TransportError NO_GLOO, NO_NCCL */
export function checkNetworks(
  { processes }: Addon,
  { network, cardNetwork }: Pick<ConnectOptions, "network" | "cardNetwork">,
): void {
  if (cardNetwork === "nccl" && !processes.hasNccl)
    throw new TransportError(
      "NO_NCCL",
      "the cards shall connect over NCCL, which this LibTorch or the build of the addon lacks; leave the choice open, or see: npx dualpipe doctor",
    );
  if (network === "gloo" && !processes.hasGloo)
    throw new TransportError(
      "NO_GLOO",
      "the processes shall connect over Gloo, which this LibTorch was built without; let them use sockets, or see: npx dualpipe doctor",
    );
}
