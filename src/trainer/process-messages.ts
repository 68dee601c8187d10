import type { PartsOutcome } from "./checkpoint/part-writer.ts";
import type { CheckpointRequest } from "./checkpoint/requests.ts";

/** What the main threads of a run's processes tell each other. */
export type ProcessMessage =
  /** To process 0: the sender's parts of a checkpoint were written, or could not be. */
  | { readonly kind: "parts"; readonly step: number; readonly outcome: PartsOutcome }
  /** To process 0: a signal asked for a checkpoint. */
  | { readonly kind: "request"; readonly request: Exclude<CheckpointRequest, "none"> }
  /** From process 0: a checkpoint was written or given up, so the ranks may send the next. */
  | { readonly kind: "checkpointDone" };
