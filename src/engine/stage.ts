import type { Suspendable } from "../tensor/suspension.ts";

/**
 * One stage of the model on one rank, as the executor sees it: it knows no schedule. `Value` is what travels between
 * stages. A computation that communicates inside is a Suspendable, and yields at each transfer.
 */
export interface Stage<Value> {
  /** Takes over the inputs; gives the outputs, which stay the stage's until `outputsSent`. */
  forward(microBatch: number, inputs: Value): Suspendable<Value> | Value;
  /** The outputs are on their way: their elements may be freed, their graph stays. */
  outputsSent(microBatch: number): void;
  /** I: takes over the gradients of the outputs, gives those of the inputs. */
  backwardInput(microBatch: number, outputGrads: Value): Suspendable<Value>;
  /** W, after I. */
  backwardWeight(microBatch: number): Suspendable<void>;
  /** B of a stage whose input gradients nobody waits for: I and W in one walk. */
  backward(microBatch: number, outputGrads: Value): Suspendable<void>;
  /** Runs an F and a B in an order of its own; undefined when the stage has no say in it. */
  readonly overlapped:
    | ((
        microBatch: number,
        inputs: Value,
        other: Stage<Value>,
        otherMicroBatch: number,
        otherOutputGrads: Value,
      ) => Suspendable<{ outputs: Value; inputGrads: Value }>)
    | undefined;
}
