import type { Addon } from "../../native/addon.ts";
import type { Runtime } from "../../tensor/runtime.ts";
import type { Carrier } from "../carrier.ts";
import { type GroupOptions, MailboxGroup } from "../mailbox-group.ts";

export type InProcessOptions = GroupOptions;

/** Ranks that are threads of one process: a tensor is handed over without a copy. */
export class InProcessGroup extends MailboxGroup {
  constructor(runtime: Runtime, options: InProcessOptions) {
    super(runtime, carrierOf(runtime.addon), options);
  }
}

function carrierOf({ mailbox }: Addon): Carrier {
  return {
    open: (name, numMailboxes) => mailbox.open(name, numMailboxes),
    send: (mailboxes, channel, message) => mailbox.put(mailboxes, channel.index, message),
    expect: () => {},
    close: (prefix, reason) => mailbox.close(prefix, reason),
  };
}
