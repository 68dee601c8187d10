/** Why a connection to a process or a host ended. It is plain data, so that it can travel between processes. */
export type DisconnectCause =
  | { readonly kind: "closed"; readonly detail: string }
  | { readonly kind: "no heartbeat"; readonly timeoutMs: number };

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
