/**
 * The eight steps of DualPipe and DualPipeV: everything that one rank does in a training step.
 *
 * A pipeline has bubbles because its first rank has nothing to do while the last one works, and the other way
 * round. DualPipe fills them with half of the micro-batches, which run in the opposite direction: every rank
 * holds one stage for each direction, and what is late in one direction is early in the other. DualPipeV folds a
 * single direction into a V, so that its way back takes the place of the opposite direction.
 *
 * Direction 0 of a rank is the one whose micro-batches reach it first, from the nearer end of the pipeline.
 * F0 is a forward in direction 0; B1 a full backward in direction 1, or I1 and W1 where it is split; F0B1 the two
 * as an overlapped pair, in which each one computes while the other communicates. The steps, each done n times:
 *
 *     1  nF0        fill the pipeline, until micro-batches of direction 1 arrive
 *     2  nF0F1      fill it from both ends
 *     3  nI1W1F1    first backwards; W1 does something useful until the next activation arrives
 *     4  nF0B1F1B0  steady state: only pairs
 *     5  nB1F1B0    direction 0 has no forwards left
 *     6  nB1B0      no forwards left; from the middle on, only I: ranks further out wait for its gradients
 *     7  nWI0       the weight backwards put off in step 6 fill the waits for the last gradients
 *     8  nW         and what is left of them
 *
 * How often a rank does each step depends only on how far it is from the end and from the middle. The order of
 * computations, sends and receives is that of the reference implementation, action for action.
 */
import type { BidirectionalActions } from "./bidirectional-actions.ts";

/** The position of a rank, and how much it has to do. */
export interface StepCounts {
  /** Distance from the nearer end of the pipeline; 0 at a rank that feeds in micro-batches. */
  readonly depth: number;
  /** Ranks from that end to the middle, or to the turn of a V. */
  readonly numDepths: number;
  readonly numMicroBatchesPerDirection: number;
}

/** The number of computations that a rank does in each of the eight steps; a pair counts once. */
export function stepLengths({ depth, numDepths, numMicroBatchesPerDirection }: StepCounts): number[] {
  const distanceToMiddle = numDepths - 1 - depth;
  const numRounds = numMicroBatchesPerDirection - 2 * numDepths + depth + 1;
  // The first pair of the middle rank is its two computations, one after the other.
  const numSeparate = distanceToMiddle === 0 ? 1 : 0;
  return [
    2 * distanceToMiddle,
    2 * (depth + 1),
    3 * distanceToMiddle,
    2 * numRounds + numSeparate,
    2 * distanceToMiddle,
    2 * (depth + 1),
    2 * distanceToMiddle,
    depth + 1,
  ];
}

/** Writes the actions of one rank. */
export function writeSteps(actions: BidirectionalActions, counts: StepCounts): void {
  const { depth, numDepths, numMicroBatchesPerDirection } = counts;
  const distanceToMiddle = numDepths - 1 - depth;
  const isMiddle = distanceToMiddle === 0;

  // Step 1: nF0
  for (let i = 0; i < 2 * distanceToMiddle; i++) actions.forward(0);

  // Step 2: nF0F1
  actions.receiveActivation(0);
  for (let i = 0; i <= depth; i++) {
    actions.forward(0, { receive: false, send: isMiddle });
    actions.receiveActivation(0);
    // The middle rank keeps back the last output of direction 1 and sends it with the next one of direction 0.
    actions.forward(1, { send: !isMiddle || i < depth });
    if (!isMiddle) actions.sendActivation(0);
  }

  // Step 3: nI1W1F1
  for (let i = 0; i < distanceToMiddle; i++) {
    actions.backwardInputs(1);
    actions.receiveActivation(1);
    actions.backwardWeights();
    actions.forward(1, { receive: false });
  }

  // Step 4: nF0B1F1B0
  const numRounds = numMicroBatchesPerDirection - 2 * numDepths + depth + 1;
  for (let i = 0; i < numRounds; i++) {
    if (i > 0) {
      actions.pair(0, 1);
    } else if (isMiddle) {
      // Not as a pair, so that the first gradient leaves the middle before a whole pair has been computed.
      actions.forward(0, { receive: false, send: false });
      actions.sendActivation(1);
      actions.backward(1, { send: false });
      actions.sendActivation(0);
      actions.sendGradient(1);
    } else {
      actions.pair(0, 1, { receiveActivation: false });
    }
    actions.pair(1, 0);
  }

  // Step 5: nB1F1B0
  for (let i = 0; i < distanceToMiddle; i++) {
    actions.backward(1);
    actions.pair(1, 0);
  }

  // Step 6: nB1B0, the second half split
  for (let i = 0; i < 2 * (depth + 1); i++) {
    const direction = i % 2 === 0 ? 1 : 0;
    if (i <= depth) actions.backward(direction);
    else actions.backwardInputs(direction);
  }

  // Step 7: nWI0
  for (let i = 0; i < distanceToMiddle; i++) {
    actions.backwardWeights();
    actions.backwardInputs(0);
  }

  // Step 8: nW
  for (let i = 0; i <= depth; i++) actions.backwardWeights();
}
