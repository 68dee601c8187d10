/** From a member to the hub. */
export type ToHub =
  | {
      readonly kind: "join";
      readonly member: number;
      readonly numMembers: number;
      /** Of what run it is: all must be of the same. */
      readonly run: string;
      readonly heartbeatTimeoutMs: number;
    }
  | { readonly kind: "send"; readonly to: number | "others"; readonly body: unknown }
  | { readonly kind: "leave" };

/** From the hub to a member. */
export type FromHub =
  /** Final: asking again would not help. */
  | { readonly kind: "refused"; readonly reason: string; readonly isFinal: boolean }
  /** Who is there, until all are. */
  | { readonly kind: "present"; readonly members: readonly number[] }
  | { readonly kind: "everyone" }
  | { readonly kind: "message"; readonly from: number; readonly body: unknown }
  | { readonly kind: "lost"; readonly member: number; readonly why: string; readonly isSilent: boolean };
