import type { BidirectionalRank, Phase } from "./bidirectional-actions.ts";

/** Where a rank stands in the eight steps that DualPipe and DualPipeV share. */
export interface StepCounts {
  /** Distance from the outer end: 0 at the ranks that feed in micro-batches. */
  readonly depth: number;
  /** Ranks from an outer end to the middle, or to the turn of a V. */
  readonly numDepths: number;
  readonly microBatchesPerStream: number;
}

function forwardChunk(rank: BidirectionalRank, phase: Phase): void {
  rank.receiveForward(phase);
  rank.forward(phase);
  rank.sendForward(phase);
}

function backwardChunk(rank: BidirectionalRank, phase: Phase, splitWeight: boolean): void {
  rank.receiveBackward(phase);
  rank.backward(phase, splitWeight);
  rank.sendBackward(phase);
}

function pairChunk(rank: BidirectionalRank, forwardPhase: Phase, backwardPhase: Phase): void {
  rank.receiveForward(forwardPhase);
  pairReceived(rank, forwardPhase, backwardPhase);
}

function pairReceived(rank: BidirectionalRank, forwardPhase: Phase, backwardPhase: Phase): void {
  rank.receiveBackward(backwardPhase);
  rank.forwardBackward(forwardPhase, backwardPhase);
  rank.sendForward(forwardPhase);
  rank.sendBackward(backwardPhase);
}

/** Steps 1 to 3: fill the pipeline from both streams. */
function warmUp(rank: BidirectionalRank, { depth, numDepths }: StepCounts, isMiddle: boolean): void {
  const numOuterSteps = numDepths - depth - 1;
  for (let i = 0; i < 2 * numOuterSteps; i++) forwardChunk(rank, 0);

  rank.receiveForward(0);
  for (let i = 0; i <= depth; i++) {
    rank.forward(0);
    if (isMiddle) rank.sendForward(0);
    rank.receiveForward(0);
    rank.receiveForward(1);
    rank.forward(1);
    // The middle rank keeps its last output back, to send it beside the next forward's.
    if (!isMiddle || i < depth) rank.sendForward(1);
    if (!isMiddle) rank.sendForward(0);
  }

  for (let i = 0; i < numOuterSteps; i++) {
    backwardChunk(rank, 1, true);
    rank.receiveForward(1);
    rank.weight();
    rank.forward(1);
    rank.sendForward(1);
  }
}

/** Step 4: overlapped pairs. */
function steady(rank: BidirectionalRank, counts: StepCounts, isMiddle: boolean): void {
  const { depth, numDepths, microBatchesPerStream } = counts;
  const numRounds = microBatchesPerStream - 2 * numDepths + depth + 1;
  for (let i = 0; i < numRounds; i++) {
    if (i > 0) {
      pairChunk(rank, 0, 1);
    } else if (isMiddle) {
      // Apart, because the middle rank would otherwise wait for a whole pair before its gradient goes out.
      rank.forward(0);
      rank.sendForward(1);
      rank.receiveBackward(1);
      rank.backward(1, false);
      rank.sendForward(0);
      rank.sendBackward(1);
    } else {
      pairReceived(rank, 0, 1);
    }
    pairChunk(rank, 1, 0);
  }
}

/** Steps 5 to 8: empty the pipeline; weight backwards fill the gaps at the end. */
function coolDown(rank: BidirectionalRank, { depth, numDepths }: StepCounts): void {
  const numOuterSteps = numDepths - depth - 1;
  for (let i = 0; i < numOuterSteps; i++) {
    backwardChunk(rank, 1, false);
    pairChunk(rank, 1, 0);
  }

  const numBackwards = 2 * (depth + 1);
  const firstSplit = 2 * Math.floor((depth + 1) / 2) + (depth % 2 === 0 ? 1 : 0);
  for (let i = 0; i < numBackwards; i++) backwardChunk(rank, i % 2 === 0 ? 1 : 0, i >= firstSplit);

  for (let i = 0; i < numOuterSteps; i++) {
    rank.weight();
    backwardChunk(rank, 0, true);
  }
  for (let i = 0; i <= depth; i++) rank.weight();
}

/** Writes the eight steps of DualPipe for one rank (the reference implementation's `step`). */
export function writeSteps(rank: BidirectionalRank, counts: StepCounts): void {
  const isMiddle = counts.depth === counts.numDepths - 1;
  warmUp(rank, counts, isMiddle);
  steady(rank, counts, isMiddle);
  coolDown(rank, counts);
}
