/**
 * An entry of the store that torchrun's agent serves at the master's port.
 *
 * LibTorch's client waits in a thread that nothing can stop and that keeps the process alive, and a run must end at a
 * signal. So it is only asked when the store accepts connections, and for a short while; the caller asks again.
 */
import { once } from "node:events";
import { connect } from "node:net";
import type { Addon } from "../../native/addon.ts";

const CONNECT_TIMEOUT_MS = 5_000;
const ANSWER_TIMEOUT_MS = 2_000;

export class TorchrunStore {
  readonly #addon: Addon;
  readonly #address: string;
  readonly #port: number;
  readonly #key: string;

  constructor(addon: Addon, address: string, port: number, key: string) {
    this.#addon = addon;
    this.#address = address;
    this.#port = port;
    this.#key = key;
  }

  get name(): string {
    return `the store at ${this.#address}:${this.#port}`;
  }

  /** Sets the entry. @returns Undefined, or why it could not be set now. */
  async set(value: string, signal: AbortSignal): Promise<string | undefined> {
    const answer = await this.#exchange(Buffer.from(value), signal);
    return typeof answer === "string" ? answer : undefined;
  }

  /** The entry's text, or why it could not be read now. */
  async get(signal: AbortSignal): Promise<{ readonly text: string } | string> {
    const answer = await this.#exchange(undefined, signal);
    return typeof answer === "string" ? answer : { text: Buffer.from(answer).toString() };
  }

  async #exchange(value: Uint8Array | undefined, signal: AbortSignal): Promise<Uint8Array | string> {
    try {
      await this.#untilConnected(signal);
      return await this.#addon.processes.exchange(
        this.#address,
        this.#port,
        this.#key,
        value,
        ANSWER_TIMEOUT_MS,
      );
    } catch (error) {
      signal.throwIfAborted();
      return `${this.name} does not answer: ${(error as Error).message}`;
    }
  }

  async #untilConnected(signal: AbortSignal): Promise<void> {
    const socket = connect(this.#port, this.#address);
    try {
      const limit = AbortSignal.any([signal, AbortSignal.timeout(CONNECT_TIMEOUT_MS)]);
      await once(socket, "connect", { signal: limit });
    } finally {
      socket.on("error", () => {});
      socket.destroy();
    }
  }
}
