// The thread that builds, verifies, simulates and plans, so that the page never waits.
import type { PlanTexts } from "../plan/plan-settings.ts";
import { planDevices } from "./plan-devices.ts";
import { simulateStep } from "./simulate-step.ts";
import { buffersOf, type StepAnswer } from "./step-result.ts";
import type { StepRequest, WorkerAnswer } from "./worker-client.ts";

/** What a thread is asked: a step, or a plan for these texts. */
type Request = StepRequest | { readonly plan: PlanTexts };

const scope = globalThis as unknown as {
  onmessage: ((event: MessageEvent<Request>) => void) | null;
  postMessage(message: unknown, transfer?: Transferable[]): void;
};

scope.onmessage = ({ data }) => {
  if ("plan" in data) planDevices(data.plan, (answer) => scope.postMessage(answer));
  else answerStep(data);
};

function answerStep({ id, settings }: StepRequest): void {
  const post = (answer: StepAnswer, isLast: boolean) => {
    const buffers = "step" in answer ? buffersOf(answer.step) : [];
    scope.postMessage({ id, answer, isLast } satisfies WorkerAnswer, buffers);
  };
  post(
    simulateStep(settings, (preview) => post(preview, false)),
    true,
  );
}
