/**
 * Activation checkpoints: memory for time. The body's first run records nothing and keeps only its inputs; the
 * backward runs it a second time, with a graph (recomputation.ts). Three things must make the second run equal to
 * the first:
 *
 * - Captured tensors. A body may use tensors of the code around it, whose scope has ended by the time of the second
 *   run. They are inputs that were not listed, so the first run finds them: what an operation was called with, and what
 *   is alive when the body's own scope has ended, was made outside. They are saved and get gradients like inputs.
 * - Random numbers. The generator's state is kept for each part of the first run between two transfers, and set
 *   again.
 * - Suspension. A body that communicates must yield at the same places both times, because the other ranks run
 *   theirs too.
 *
 * The node always runs in I, even if no input needs a gradient: the body may use parameters that are not among
 * its inputs.
 */
import type { Runtime } from "../tensor/runtime.ts";
import { finish, type Suspendable } from "../tensor/suspension.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { AutogradError } from "./autograd-error.ts";
import { noGrad } from "./grad-mode.ts";
import { historyOf, Leaf } from "./graph.ts";
import { inSegments, Recomputation } from "./recomputation.ts";
import { detach, record } from "./record.ts";

type Outputs = Tensor | readonly Tensor[];

/**
 * Runs `body` without keeping its activations: the backward runs it again, once for I and W together, with the random
 * numbers of the first run. Chen et al., 2016.
 * @param inputs At least one. Parameters and other tensors that the body uses need not be among them, unless it uses
 * them only in operators that it calls with `runtime.call`.
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
  const runtime = runtimeOf(inputs);
  if (!runtime.gradEnabled) return yield* body(...inputs);
  const randomStates: Tensor[] = [];
  const used = new Set<Tensor>();
  try {
    const result = yield* runtime.suspendableScope(
      inSegments(body(...inputs), (resume) => {
        randomStates.push(runtime.randomState().share());
        return noGrad(runtime, () => noting(runtime, used, resume));
      }),
    );
    const results = Array.isArray(result) ? (result as readonly Tensor[]) : [result as Tensor];
    const captured = capturedAmong(used, inputs, results);
    // A tensor from outside that the body returns has a history of its own already.
    const outputs = results.map((output) => (historyOf(output)?.source ? detach(output) : output));
    recordRecomputation(body, inputs, captured, outputs, randomStates);
    return (Array.isArray(result) ? outputs : outputs[0]) as R;
  } finally {
    for (const state of randomStates) state.dispose();
  }
}

function runtimeOf(inputs: readonly Tensor[]): Runtime {
  const [first] = inputs;
  if (first === undefined)
    throw new AutogradError(
      "CHECKPOINT_INPUT",
      "a checkpoint must have at least one input; got none; pass a tensor that its body uses",
    );
  return first.runtime;
}

/** Runs a part of a body, and adds to `used` what operations are called with. */
function noting<T>(runtime: Runtime, used: Set<Tensor>, resume: () => T): T {
  const before = runtime.usedTensors;
  runtime.usedTensors = used;
  try {
    return resume();
  } finally {
    runtime.usedTensors = before;
  }
}

/** The tensors from outside of the body, now that its own are disposed, except its results. */
function capturedAmong(
  used: ReadonlySet<Tensor>,
  inputs: readonly Tensor[],
  results: readonly Tensor[],
): Tensor[] {
  const isResult = new Set(results);
  return [...new Set([...used, ...results])].filter((tensor) => {
    if (tensor.disposed || inputs.includes(tensor)) return false;
    const source = historyOf(tensor)?.source;
    // A parameter belongs to no scope, and gets its gradient wherever it is used.
    if (source instanceof Leaf && source.isParameter) return false;
    return source !== undefined || !isResult.has(tensor);
  });
}

function recordRecomputation(
  body: (...inputs: Tensor[]) => Suspendable<Outputs>,
  inputs: readonly Tensor[],
  captured: readonly Tensor[],
  outputs: readonly Tensor[],
  randomStates: readonly Tensor[],
): void {
  const all = [...inputs, ...captured];
  const dependOnStageInput = all.map((input) => historyOf(input)?.dependsOnStageInput === true);
  const saves = [...all, ...randomStates].map((tensor) => [tensor] as const);
  let recomputation: Recomputation | undefined;
  record(
    "checkpoint",
    all,
    outputs,
    saves,
    function* (node) {
      if (recomputation === undefined) {
        recomputation = new Recomputation(node, dependOnStageInput, captured);
        const saved = saves.map((_, i) => node.saved(i));
        yield* recomputation.run(body, saved.slice(0, all.length), saved.slice(all.length));
      } else {
        yield* recomputation.backwardWeights();
      }
      return recomputation.takeGradients();
    },
    { alwaysRuns: true },
  );
}
