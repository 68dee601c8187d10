// The thread that builds, verifies and simulates, so that the page never waits.
import { simulateStep } from "./simulate-step.ts";
import { buffersOf, type StepAnswer } from "./step-result.ts";
import type { StepRequest, WorkerAnswer } from "./worker-client.ts";

const scope = globalThis as unknown as {
  onmessage: ((event: MessageEvent<StepRequest>) => void) | null;
  postMessage(message: unknown, transfer: Transferable[]): void;
};

scope.onmessage = ({ data: { id, settings } }) => {
  const post = (answer: StepAnswer, isLast: boolean) => {
    const buffers = "step" in answer ? buffersOf(answer.step) : [];
    scope.postMessage({ id, answer, isLast } satisfies WorkerAnswer, buffers);
  };
  post(
    simulateStep(settings, (preview) => post(preview, false)),
    true,
  );
};
