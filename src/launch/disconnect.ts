import { isDuration, isText, type MessageOf, messageGuard } from "./message-shapes.ts";

/** Why a connection to a process or a host ended. It is plain data, so that it can travel between processes. */
const CAUSES = {
  closed: { detail: isText },
  "no heartbeat": { timeoutMs: isDuration },
};

export type DisconnectCause = MessageOf<typeof CAUSES>;
export const isDisconnectCause = messageGuard(CAUSES);

/** The cause where the other end does not follow the protocol. */
export const MALFORMED: DisconnectCause = {
  kind: "closed",
  detail: "it sent what is no message of this run",
};

/** A sentence that names the process or host that is gone, and why. */
export function describeDisconnect(who: string, cause: DisconnectCause): string {
  return `${who} disconnected: ${detailOf(cause)}`;
}

function detailOf(cause: DisconnectCause): string {
  switch (cause.kind) {
    case "closed":
      return cause.detail;
    case "no heartbeat":
      return `no heartbeat for ${cause.timeoutMs / 1000} s`;
    default:
      return cause satisfies never;
  }
}
