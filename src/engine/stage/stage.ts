import type { Module } from "../../nn/module.ts";
import type { Suspendable } from "../../tensor/suspension.ts";
import type { Tensor } from "../../tensor/tensor.ts";

/** A module that can be a stage: any tensors in and out, absent ones as null. */
export type StageModule = Module<never, Tensor | readonly (Tensor | null)[]>;

/**
 * `criterion(...outputs, ...labels)`: a tensor with one element. It declares the parameters that it takes, tensors or
 * null.
 */
export type Criterion = (...outputsAndLabels: never[]) => Tensor;

/**
 * One stage of the model on one rank, as the executor sees it: it knows no schedule. `Value` is what travels between
 * stages. A computation that communicates inside is a Suspendable, and yields at each transfer.
 */
export interface Stage<Value> {
  /** Takes over the inputs and returns the outputs, which stay the stage's until `outputsSent`. */
  forward(microBatch: number, inputs: Value): Suspendable<Value> | Value;
  /** The outputs are on their way: their elements may be freed, their graph stays. */
  outputsSent(microBatch: number): void;
  /**
   * I: takes over the gradients of the outputs and returns those of the inputs. The last stage starts from its loss,
   * and gets null.
   */
  backwardInputs(microBatch: number, outputGrads: Value | null): Suspendable<Value>;
  /** W, after I. @param isLast Whether nothing is added to the stage's weight gradients after it, in this step. */
  backwardWeights(microBatch: number, isLast: boolean): Suspendable<void>;
  /** B of a stage whose input gradients go nowhere: I and W in one walk. */
  backward(microBatch: number, outputGrads: Value | null): Suspendable<void>;
  /** Runs an F and a B together, in an order of its own; undefined when the executor is to choose the order. */
  readonly overlapped:
    | ((
        microBatch: number,
        inputs: Value,
        other: Stage<Value>,
        otherMicroBatch: number,
        otherOutputGrads: Value | null,
      ) => Suspendable<{ outputs: Value; inputGrads: Value }>)
    | undefined;
}
