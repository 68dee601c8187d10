import type { Addon } from "../../native/addon.ts";
import type { Runtime } from "../../tensor/runtime.ts";
import type { Carrier } from "../carrier.ts";
import { type GroupOptions, MailboxGroup } from "../mailbox-group.ts";
import type { ReturnedRanks } from "../returned-ranks.ts";

export interface InProcessOptions extends GroupOptions {
  /** Without it, a rank that waits for one that has returned waits until its timeout. */
  readonly returned?: ReturnedRanks | undefined;
}

/** Ranks that are threads of one process: a tensor is handed over without a copy. */
export class InProcessGroup extends MailboxGroup {
  constructor(runtime: Runtime, options: InProcessOptions) {
    super(runtime, carrierOf(runtime.addon, options.returned), options);
  }
}

function carrierOf({ mailbox }: Addon, returned: ReturnedRanks | undefined): Carrier {
  return {
    isWithinProcess: true,
    connectsCards: false,
    connect: () => {},
    open: (name, numMailboxes) => mailbox.open(name, numMailboxes),
    send: (mailboxes, channel, { handles, label, phases }) =>
      mailbox.put(mailboxes, channel.index, handles, label, ...phases),
    expect: () => {},
    hasEnded: (channel) => returned?.numSentOn(channel) !== undefined,
    close: (prefix, { reason, level, fromPhase }) => mailbox.close(prefix, reason, level, fromPhase),
  };
}
