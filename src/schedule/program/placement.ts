import type { Communication } from "./action.ts";

/**
 * The rank that holds each stage. Micro-batches of one direction pass the same ranks; only bidirectional schedules
 * have two directions.
 */
export interface Placement {
  readonly numRanks: number;
  readonly numStages: number;
  /** The direction of each micro-batch. */
  readonly directionOfMicroBatch: Uint16Array;
  /** For each direction, the rank of each stage. */
  readonly rankOfStage: readonly Uint32Array[];
}

function oneDirection(numRanks: number, numMicroBatches: number, ranks: Uint32Array): Placement {
  return {
    numRanks,
    numStages: ranks.length,
    directionOfMicroBatch: new Uint16Array(numMicroBatches),
    rankOfStage: [ranks],
  };
}

/** Stage `s` on rank `s % numRanks`: one stage per rank, or several in the loops of interleaved schedules. */
export function loopedPlacement(numRanks: number, numMicroBatches: number, stagesPerRank = 1): Placement {
  const ranks = Uint32Array.from({ length: numRanks * stagesPerRank }, (_, stage) => stage % numRanks);
  return oneDirection(numRanks, numMicroBatches, ranks);
}

/** Two stages per rank, from the first rank to the last and back: rank `r` holds `r` and `2 * numRanks - 1 - r`. */
export function vPlacement(numRanks: number, numMicroBatches: number): Placement {
  const numStages = 2 * numRanks;
  const ranks = Uint32Array.from({ length: numStages }, (_, stage) => Math.min(stage, numStages - 1 - stage));
  return oneDirection(numRanks, numMicroBatches, ranks);
}

/**
 * Each stage on two ranks: the first half of the micro-batches goes from the first rank to the last (direction 0),
 * the second half from the last to the first (direction 1).
 */
export function bidirectionalPlacement(numRanks: number, numMicroBatches: number): Placement {
  const fromFirstRank = Uint32Array.from({ length: numRanks }, (_, stage) => stage);
  return {
    numRanks,
    numStages: numRanks,
    directionOfMicroBatch: new Uint16Array(numMicroBatches).fill(1, numMicroBatches / 2),
    rankOfStage: [fromFirstRank, fromFirstRank.toReversed()],
  };
}

/** A text that is the same for placements with the same stages on the same ranks. */
export function placementKey({ rankOfStage }: Placement): string {
  return rankOfStage.map((ranks) => ranks.join()).join(";");
}

/** One value for each rank. */
export function perRank<Value>(numRanks: number, make: (rank: number) => Value): Value[] {
  return Array.from({ length: numRanks }, (_, rank) => make(rank));
}

/** The rank that runs `stage` for `microBatch`. */
export function rankOf(placement: Placement, stage: number, microBatch: number): number {
  return placement.rankOfStage[placement.directionOfMicroBatch[microBatch]!]![stage]!;
}

/** The stages that a rank holds, in ascending order. */
export function stagesOf(placement: Placement, rank: number): number[] {
  const stages: number[] = [];
  for (let stage = 0; stage < placement.numStages; stage++) {
    if (placement.rankOfStage.some((ranks) => ranks[stage] === rank)) stages.push(stage);
  }
  return stages;
}

/** The rank at the other end of a transfer. */
export function peerOf(placement: Placement, { kind, stage, microBatch }: Communication): number {
  const peerStage = kind === "SEND_F" || kind === "RECV_B" ? stage + 1 : stage - 1;
  return rankOf(placement, peerStage, microBatch);
}
