import { scatter } from "../../src/engine/micro-batches.ts";
import type { StageModule } from "../../src/engine/stage/stage.ts";
import type { StepResult } from "../../src/engine/step-data.ts";
import { Tensor } from "../../src/tensor/tensor.ts";

/** Gradients of one stage on one rank, by the names of its parameters. */
export interface StageGradients {
  readonly stage: number;
  readonly gradients: Readonly<Record<string, readonly number[] | null>>;
}

/** What a step left on one rank, as numbers. */
export interface StepReport {
  readonly losses: readonly number[] | null;
  /** The outputs, by micro-batch and position. */
  readonly outputs: readonly (readonly (readonly number[] | null)[])[] | null;
  readonly stages: readonly StageGradients[];
}

/** Reports a step's result, which it disposes. */
export function reportStep(
  { loss, outputs }: StepResult,
  modules: ReadonlyMap<number, StageModule>,
  { numLeaving = 0, batchDim = 0 } = {},
): StepReport {
  const whole = outputs instanceof Tensor ? [outputs] : outputs;
  const report: StepReport = {
    losses: loss?.toArray() ?? null,
    outputs:
      whole &&
      scatter(whole, numLeaving, batchDim).map((message) =>
        message.map((tensor) => {
          const elements = tensor?.toArray() ?? null;
          tensor?.dispose();
          return elements;
        }),
      ),
    stages: [...modules].map(([stage, module]) => ({ stage, gradients: gradientsOf(module) })),
  };
  for (const tensor of [loss, ...(whole ?? [])]) tensor?.dispose();
  return report;
}

export function gradientsOf(module: StageModule): Record<string, number[] | null> {
  return Object.fromEntries(
    module.namedParameters().map(([name, parameter]) => [name, parameter.grad?.toArray() ?? null]),
  );
}
