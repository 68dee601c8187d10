import type { OverlapBackward, OverlapForward, OverlapResult } from "../../src/engine/stage/overlap.ts";
import type { Suspendable } from "../../src/tensor/suspension.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { MlpStage } from "./mlp-model.ts";

function runForward({ module, inputs, criterion, labels }: OverlapForward): OverlapResult {
  const outputs = (module as unknown as MlpStage).call(inputs[0]!);
  if (criterion === undefined) return { outputs };
  const loss = (criterion as (...args: (Tensor | null)[]) => Tensor)(outputs, ...labels);
  return { outputs, loss };
}

/** Overlaps by a hook of its own, which runs the backward first. */
export class HookedStage extends MlpStage {
  numPairs = 0;

  static overlappedForwardBackward(forward: OverlapForward, backward: OverlapBackward): OverlapResult {
    (forward.module as unknown as HookedStage).numPairs++;
    for (const _transfer of backward.backward());
    return runForward(forward);
  }
}

/** Overlaps by a hook that is suspended, and that has the forward between the two parts of the backward. */
export class SuspendedHookStage extends MlpStage {
  numPairs = 0;

  static *overlappedForwardBackward(
    forward: OverlapForward,
    backward: OverlapBackward,
  ): Suspendable<OverlapResult> {
    (forward.module as unknown as SuspendedHookStage).numPairs++;
    yield* backward.backwardInputs();
    const result = runForward(forward);
    yield* backward.backwardWeights();
    return result;
  }
}
