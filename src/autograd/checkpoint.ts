/**
 * Activation checkpoints: memory for time. The body's first run records nothing and keeps only its inputs; the
 * backward runs it a second time, with a graph (recomputation.ts). Two things must make the second run equal to
 * the first:
 *
 * - Random numbers. The generator's state is kept for each part of the first run between two transfers, and set
 *   again.
 * - Suspension. A body that communicates must yield at the same places both times, because the other ranks run
 *   theirs too.
 *
 * The node always runs in I, even if no input needs a gradient: the body may use parameters that are not among
 * its inputs.
 */
import { finish, type Suspendable } from "../tensor/suspension.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { noGrad } from "./grad-mode.ts";
import { historyOf } from "./graph.ts";
import { inSegments, Recomputation } from "./recomputation.ts";
import { detach, record } from "./record.ts";

type Outputs = Tensor | readonly Tensor[];

/**
 * Runs `body` without keeping its activations: the backward runs it again, once for I and W together, with the random
 * numbers of the first run. Chen et al., 2016.
 * @param inputs At least one. Parameters that the body uses need not be among them.
 * @example
 * const y = checkpoint((x) => block.call(x), x);
 */
export function checkpoint<R extends Outputs>(body: (...inputs: Tensor[]) => R, ...inputs: Tensor[]): R {
  // biome-ignore lint/correctness/useYield: this body never communicates.
  const suspendable = function* (...given: Tensor[]): Suspendable<R> {
    return body(...given);
  };
  return finish(suspendableCheckpoint(suspendable, ...inputs));
}

/** `checkpoint` for a body that communicates; it must yield at the same places in both runs. */
export function* suspendableCheckpoint<R extends Outputs>(
  body: (...inputs: Tensor[]) => Suspendable<R>,
  ...inputs: Tensor[]
): Suspendable<R> {
  const { runtime } = inputs[0]!;
  if (!runtime.gradEnabled) return yield* body(...inputs);
  const randomStates: Tensor[] = [];
  try {
    const result = yield* runtime.suspendableScope(
      inSegments(body(...inputs), (resume) => {
        randomStates.push(runtime.randomState().share());
        return noGrad(runtime, resume);
      }),
    );
    const outputs = (Array.isArray(result) ? (result as readonly Tensor[]) : [result as Tensor]).map(
      // An input that the body returns has a history of its own already.
      (output) => (historyOf(output)?.source ? detach(output) : output),
    );
    recordRecomputation(body, inputs, outputs, randomStates);
    return (Array.isArray(result) ? outputs : outputs[0]) as R;
  } finally {
    for (const state of randomStates) state.dispose();
  }
}

function recordRecomputation(
  body: (...inputs: Tensor[]) => Suspendable<Outputs>,
  inputs: readonly Tensor[],
  outputs: readonly Tensor[],
  randomStates: readonly Tensor[],
): void {
  const dependOnStageInput = inputs.map((input) => historyOf(input)?.dependsOnStageInput === true);
  const saves = [...inputs, ...randomStates].map((tensor) => [tensor] as const);
  let recomputation: Recomputation | undefined;
  record(
    "checkpoint",
    inputs,
    outputs,
    saves,
    function* (node) {
      if (recomputation === undefined) {
        recomputation = new Recomputation(node, dependOnStageInput);
        const saved = saves.map((_, i) => node.saved(i));
        yield* recomputation.run(body, saved.slice(0, inputs.length), saved.slice(inputs.length));
      } else {
        yield* recomputation.backwardWeights();
      }
      return recomputation.takeGradients();
    },
    { alwaysRuns: true },
  );
}
