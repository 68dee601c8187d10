import type { Addon, Bridge } from "../../native/addon.ts";
import type { Runtime } from "../../tensor/runtime.ts";
import { type Box, type Carrier, MailboxGroup } from "../mailbox-group.ts";
import { CHANNEL_KINDS } from "../process-group.ts";
import { c10dOf, type ProcessPlace } from "./connect-processes.ts";

export interface C10dOptions {
  /** The name by which this process was connected. */
  readonly bridge: string;
  readonly place: ProcessPlace;
  readonly rank: number;
  /** How long a receive waits before it gives up. */
  readonly timeoutMs?: number | undefined;
}

/** A frame of foreseen size, and one that was announced. */
const TAGS_PER_CHANNEL = 2;

type C10d = NonNullable<Addon["c10d"]>;

/**
 * Ranks of several processes, which speak over Gloo; those of one process hand tensors over without a copy. The process
 * must be connected to the others already.
 */
export class C10dGroup extends MailboxGroup {
  readonly #c10d: C10d;
  readonly #bridge: Bridge;

  constructor(runtime: Runtime, options: C10dOptions) {
    const c10d = c10dOf(runtime.addon);
    const { rank, timeoutMs, place } = options;
    const bridge = c10d.attach(options.bridge);
    const size = place.numProcesses * place.ranksPerProcess;
    const everyone = Array.from({ length: size }, (_, rank) => rank);
    const carrier = new C10dCarrier(runtime.addon, c10d, bridge, options, everyone);
    super(runtime, carrier, { name: "ranks", rank, size, timeoutMs });
    this.#c10d = c10d;
    this.#bridge = bridge;
  }

  /**
   * Ends this rank's part; nothing may be sent or received afterwards. The last rank of a process blocks until what was sent
   * is on its way and, when all ended well, until the other processes leave, too.
   */
  leave({ well }: { readonly well: boolean }): void {
    this.#c10d.leave(this.#bridge, well);
  }
}

class C10dCarrier implements Carrier {
  readonly #addon: Addon;
  readonly #c10d: C10d;
  readonly #bridge: Bridge;
  readonly #options: C10dOptions;
  /** The run's rank of each rank of the group. */
  readonly #ranks: readonly number[];

  constructor(addon: Addon, c10d: C10d, bridge: Bridge, options: C10dOptions, ranks: readonly number[]) {
    this.#addon = addon;
    this.#c10d = c10d;
    this.#bridge = bridge;
    this.#options = options;
    this.#ranks = ranks;
  }

  open(name: string, numBoxes: number): ReturnType<Carrier["open"]> {
    return this.#c10d.open(this.#bridge, name, numBoxes);
  }

  send(...[office, box, letter]: Parameters<Carrier["send"]>): void {
    const process = this.#processOf(box.destination);
    if (process === this.#options.place.process) this.#addon.mailbox.post(office, box.index, letter);
    else this.#c10d.send(this.#bridge, office, box.index, process, this.#tag(box), letter);
  }

  expect(box: Box): void {
    const process = this.#processOf(box.source);
    if (process !== this.#options.place.process) this.#c10d.listen(this.#bridge, process, this.#tag(box));
  }

  close(prefix: string, reason: string): void {
    this.#c10d.abort(this.#options.bridge, prefix, reason);
  }

  subset(ranks: readonly number[]): Carrier {
    const chosen = ranks.map((rank) => this.#ranks[rank]!);
    return new C10dCarrier(this.#addon, this.#c10d, this.#bridge, this.#options, chosen);
  }

  #processOf(rank: number): number {
    return Math.floor(this.#ranks[rank]! / this.#options.place.ranksPerProcess);
  }

  /** A group of some ranks shares the channels of all. */
  #tag({ source, destination, kind }: Box): number {
    const { numProcesses, ranksPerProcess } = this.#options.place;
    const edge = this.#ranks[source]! * numProcesses * ranksPerProcess + this.#ranks[destination]!;
    return (edge * CHANNEL_KINDS.length + CHANNEL_KINDS.indexOf(kind)) * TAGS_PER_CHANNEL;
  }
}
