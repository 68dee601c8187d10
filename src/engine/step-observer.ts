import type { PlannedComputation } from "./rank-plan.ts";

/**
 * Hears what happens on one rank during a step, while it happens; each event is optional. An event blocks the step, and
 * an error thrown in it fails the step. The recorder and the exchange of shared parameters are observers.
 */
export interface StepObserver {
  /** A computation needs data of another rank that is not here yet. Called before the wait. */
  waiting?(computation: PlannedComputation): void;
  /** The data of a computation is here, and it starts. */
  started?(computation: PlannedComputation): void;
  /** A computation has ended, and its results have been sent. */
  ended?(computation: PlannedComputation): void;
  /**
   * Nothing more is added to the gradients of this stage's parameters on this rank in this step. Where other ranks hold
   * the same parameters, their gradients are summed only at the end of the step; where another stage of this rank uses
   * them, too, they are complete after the event of the last of these stages.
   */
  gradientsComplete?(stage: number): void;
}
