/** Stages take equal times, or ranks do, over all their stages. */
export type PartitionGoal = "even-stages" | "even-ranks";

/**
 * The number of a model's equal layers for each stage: one layer after the other goes where there is least work.
 * @param extra The work of a stage in addition to its layers, in layers: the head of the model on the last stage.
 */
export function partitionLayers(
  numLayers: number,
  ranksOfStages: readonly (readonly number[])[],
  extra: readonly number[],
  goal: PartitionGoal,
): number[] {
  const numStages = ranksOfStages.length;
  const counts = new Array<number>(numStages).fill(1);
  const loads = extra.map((work) => work + 1);
  const rankLoad = (rank: number): number =>
    ranksOfStages.reduce(
      (sum, ranks, stage) => (ranks.includes(rank) ? sum + loads[stage]! / ranks.length : sum),
      0,
    );
  for (let layer = numStages; layer < numLayers; layer++) {
    let best = 0;
    let bestKey = [Infinity, Infinity];
    for (let stage = 0; stage < numStages; stage++) {
      const ofRank = goal === "even-ranks" ? Math.max(...ranksOfStages[stage]!.map(rankLoad)) : 0;
      const key = [ofRank, loads[stage]!];
      if (key[0]! < bestKey[0]! || (key[0] === bestKey[0] && key[1]! < bestKey[1]!)) {
        best = stage;
        bestKey = key;
      }
    }
    counts[best]!++;
    loads[best]!++;
  }
  return counts;
}
