import { DualPipeError } from "../../errors/dualpipe-error.ts";
import { isFloatingPoint } from "../../tensor/dtype.ts";
import * as kernels from "../../tensor/kernels/index.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { ProcessGroup } from "../../transport/process-group.ts";
import { type RankState, tensorsOfState } from "../checkpoint/rank-part.ts";
import { isBuffer } from "../checkpoint/tensor-names.ts";
import { gatherValues, receiveValue, sendValue, sumOverRanks } from "./group-values.ts";

/** An update has made the weights useless, so they are not saved. */
class NonFiniteWeightsError extends DualPipeError<"NON_FINITE_WEIGHTS"> {
  override readonly name = "NonFiniteWeightsError";

  /** @param problem What is not finite. */
  constructor(step: number, problem: string) {
    super(
      "NON_FINITE_WEIGHTS",
      `after step ${step}, ${problem}, so nothing was saved; ` +
        "lower optimizer.learningRate, lengthen learningRateSchedule.warmupSteps, or set optimizer.gradientClip, and go on " +
        "from the last checkpoint with --resume, or start over",
    );
  }
}

/**
 * Checks what is about to be saved. Weights can be finite and yet so large that no loss is, so one is computed. All
 * ranks must call it: if one has a number that is not finite, all of them throw the same error, so that no part of the
 * checkpoint is written.
 * @param lossSum The sum of this rank's losses with the weights.
 * @throws NonFiniteWeightsError
 */
export function checkFiniteWeights(
  group: ProcessGroup,
  step: number,
  state: RankState,
  lossSum: number,
): void {
  const own = state.runtime.scope(() => nameOfNonFinite(tensorsOfState(state)));
  const [numBad, loss] = sumOverRanks(group, [own === undefined ? 0 : 1, lossSum]);
  if (numBad === 0 && Number.isFinite(loss)) return;
  if (numBad === 0) throw new NonFiniteWeightsError(step, `the loss of the next batch is ${loss}`);
  const names = gatherValues(group, group.size, own);
  const name = names.find((each) => each !== undefined);
  for (let peer = 1; peer < group.size && group.rank === 0; peer++) sendValue(group, peer, name);
  const tensor = group.rank === 0 ? name! : (receiveValue(group, 0) as string);
  const problem = isBuffer(tensor) ? "NaN" : "infinite or NaN";
  throw new NonFiniteWeightsError(step, `${tensor} has numbers that are ${problem}`);
}

/** The first of these tensors with a number that it must not have. Reads one number of each. */
function nameOfNonFinite(tensors: readonly (readonly [name: string, Tensor])[]): string | undefined {
  const floats = tensors.filter(([, { dtype, numElements }]) => isFloatingPoint(dtype) && numElements > 0);
  if (floats.length === 0) return undefined;
  const largest = floats.map(([, tensor]) =>
    kernels.reshape(kernels.toDtype(kernels.largestMagnitude(tensor), "float64"), [1]),
  );
  const index = kernels
    .cat(largest, 0)
    .toArray()
    .findIndex((each, i) => (isBuffer(floats[i]![0]) ? Number.isNaN(each) : !Number.isFinite(each)));
  return floats[index]?.[0];
}
