import type { Addon } from "../../native/addon.ts";
import type { Runtime } from "../../tensor/runtime.ts";
import { type Carrier, type GroupOptions, MailboxGroup } from "../mailbox-group.ts";

export type InProcessOptions = GroupOptions;

/** Ranks that are threads of one process: a tensor is handed over without a copy. */
export class InProcessGroup extends MailboxGroup {
  constructor(runtime: Runtime, options: InProcessOptions) {
    super(runtime, carrierOf(runtime.addon), options);
  }
}

function carrierOf({ mailbox }: Addon): Carrier {
  const carrier: Carrier = {
    open: (name, numBoxes) => mailbox.open(name, numBoxes),
    send: (office, box, letter) => mailbox.post(office, box.index, letter),
    expect: () => {},
    close: (prefix, reason) => mailbox.close(prefix, reason),
    subset: () => carrier,
  };
  return carrier;
}
