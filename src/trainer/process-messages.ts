import {
  either,
  exactly,
  isCount,
  isText,
  listOf,
  type MessageOf,
  messageGuard,
  record,
} from "../launch/message-shapes.ts";
import { isManifestFile } from "./checkpoint/manifest.ts";

/** What the main threads of a run's processes tell each other. */
const MESSAGES = {
  /** To process 0: the sender's parts of a checkpoint were written, or could not be. */
  parts: {
    step: isCount,
    outcome: either(record({ files: listOf(isManifestFile) }), record({ problem: isText })),
  },
  /** To process 0: a signal asked for a checkpoint. */
  request: { request: either(exactly("goOn"), exactly("stop")) },
  /** To process 0: the sender is alive. */
  health: { host: isText, pid: isCount, memoryBytes: isCount },
  /** From process 0: a checkpoint was written or given up, so the ranks may send the next. */
  checkpointDone: {},
};

export type ProcessMessage = MessageOf<typeof MESSAGES>;
export const isProcessMessage = messageGuard(MESSAGES);
