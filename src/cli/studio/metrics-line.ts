import type { RunMessage } from "../../studio/run/run-message.ts";

/** What a line of `metrics.jsonl` tells the page, if anything. */
export function messageOfLine(line: string): RunMessage | undefined {
  try {
    const message = JSON.parse(line) as RunMessage;
    return message.kind === "train" || message.kind === "validation" ? message : undefined;
  } catch {
    // The rest of a line that a killed run has left.
    return undefined;
  }
}
