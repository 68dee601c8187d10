import type { Addon, Bridge } from "../native/addon.ts";
import type { Runtime } from "../tensor/runtime.ts";
import { type Box, type Carrier, MailboxGroup } from "./mailbox-group.ts";
import { CHANNEL_KINDS } from "./process-group.ts";
import { TransportError } from "./transport-error.ts";

/** The processes of a run: process `p` has the ranks `p * ranksPerProcess` and following. */
export interface ProcessPlacement {
  /** Where process 0 is reached. */
  readonly masterAddress: string;
  readonly masterPort: number;
  /** The prefix of this run's keys in a store that the launcher serves; process 0 serves one otherwise. */
  readonly launcherStore?: string | undefined;
  /** Where this process listens for the others; the master's address by default, which fits processes of one host. */
  readonly address?: string | undefined;
  readonly process: number;
  readonly numProcesses: number;
  readonly ranksPerProcess: number;
}

export interface C10dOptions extends ProcessPlacement {
  readonly rank: number;
  /** How long a receive waits before it gives up. */
  readonly timeoutMs?: number;
  /** How long the processes wait for one another to come and to leave. */
  readonly meetTimeoutMs?: number;
}

const DEFAULT_MEET_TIMEOUT_MS = 300_000;
/** A frame of foreseen size, and one that was announced. */
const TAGS_PER_CHANNEL = 2;

type C10d = NonNullable<Addon["c10d"]>;

/**
 * Ranks of several processes, which meet at a TCPStore and speak over Gloo; those of one process hand tensors over without
 * a copy. Constructing it blocks this thread until all processes are there.
 * @throws TransportError NO_GLOO when this LibTorch has no Gloo.
 */
export class C10dGroup extends MailboxGroup {
  readonly #c10d: C10d;
  readonly #bridge: Bridge;

  constructor(runtime: Runtime, options: C10dOptions) {
    const c10d = c10dOf(runtime.addon);
    const { rank, timeoutMs, masterAddress, numProcesses, ranksPerProcess } = options;
    const bridge = c10d.connect({
      name: bridgeName(options),
      masterAddress,
      port: options.masterPort,
      serves: options.process === 0 && options.launcherStore === undefined,
      storePrefix: options.launcherStore ?? "dualpipe",
      address: options.address ?? masterAddress,
      process: options.process,
      numProcesses,
      ranksPerProcess,
      timeoutMs: options.meetTimeoutMs ?? DEFAULT_MEET_TIMEOUT_MS,
    });
    const size = numProcesses * ranksPerProcess;
    const everyone = Array.from({ length: size }, (_, rank) => rank);
    const carrier = new C10dCarrier(runtime.addon, c10d, bridge, options, everyone);
    const own = { name: "ranks", rank, size };
    super(runtime, carrier, timeoutMs === undefined ? own : { ...own, timeoutMs });
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

/** Ends every wait of a run's ranks, in all processes, for a thread that is no rank. False when they have not met. */
export function abortProcesses(addon: Addon, placement: ProcessPlacement, reason: string): boolean {
  return c10dOf(addon).abort(bridgeName(placement), "", reason);
}

/** Names the bridge in this process. */
function bridgeName({ masterAddress, masterPort, process }: ProcessPlacement): string {
  return `c10d:${masterAddress}:${masterPort}:${process}/`;
}

function c10dOf({ c10d }: Addon): C10d {
  if (c10d === null)
    throw new TransportError(
      "NO_GLOO",
      "ranks in several processes need Gloo, which this LibTorch was built without; see: npx dualpipe doctor",
    );
  return c10d;
}

class C10dCarrier implements Carrier {
  readonly #addon: Addon;
  readonly #c10d: C10d;
  readonly #bridge: Bridge;
  readonly #placement: ProcessPlacement;
  /** The run's rank of each rank of the group. */
  readonly #ranks: readonly number[];

  constructor(
    addon: Addon,
    c10d: C10d,
    bridge: Bridge,
    placement: ProcessPlacement,
    ranks: readonly number[],
  ) {
    this.#addon = addon;
    this.#c10d = c10d;
    this.#bridge = bridge;
    this.#placement = placement;
    this.#ranks = ranks;
  }

  open(name: string, numBoxes: number): ReturnType<Carrier["open"]> {
    return this.#c10d.open(this.#bridge, name, numBoxes);
  }

  send(...[office, box, letter]: Parameters<Carrier["send"]>): void {
    const process = this.#processOf(box.destination);
    if (process === this.#placement.process) this.#addon.mailbox.post(office, box.index, letter);
    else this.#c10d.send(this.#bridge, office, box.index, process, this.#tag(box), letter);
  }

  expect(box: Box): void {
    const process = this.#processOf(box.source);
    if (process !== this.#placement.process) this.#c10d.listen(this.#bridge, process, this.#tag(box));
  }

  close(prefix: string, reason: string): void {
    this.#c10d.abort(bridgeName(this.#placement), prefix, reason);
  }

  subset(ranks: readonly number[]): Carrier {
    const chosen = ranks.map((rank) => this.#ranks[rank]!);
    return new C10dCarrier(this.#addon, this.#c10d, this.#bridge, this.#placement, chosen);
  }

  #processOf(rank: number): number {
    return Math.floor(this.#ranks[rank]! / this.#placement.ranksPerProcess);
  }

  /** A group of some ranks shares the channels of all. */
  #tag({ source, destination, kind }: Box): number {
    const { numProcesses, ranksPerProcess } = this.#placement;
    const edge = this.#ranks[source]! * numProcesses * ranksPerProcess + this.#ranks[destination]!;
    return (edge * CHANNEL_KINDS.length + CHANNEL_KINDS.indexOf(kind)) * TAGS_PER_CHANNEL;
  }
}
