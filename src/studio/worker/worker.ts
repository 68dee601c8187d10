// The thread that builds, verifies and simulates, so that the page never waits.
import { simulateStep } from "./simulate-step.ts";
import { buffersOf } from "./step-result.ts";
import type { StepRequest } from "./worker-client.ts";

const scope = globalThis as unknown as {
  onmessage: ((event: MessageEvent<StepRequest>) => void) | null;
  postMessage(message: unknown, transfer: Transferable[]): void;
};

scope.onmessage = ({ data: { id, settings } }) => {
  const answer = simulateStep(settings);
  scope.postMessage({ id, answer }, "step" in answer ? buffersOf(answer.step) : []);
};
