import type { ProcessGroup } from "./process-group.ts";

/**
 * Gives every rank the numbers of all ranks, by rank, as float64. All ranks of the group must call it, with equally
 * many numbers.
 */
export function allGatherNumbers(group: ProcessGroup, numbers: readonly number[]): number[][] {
  const { runtime } = group;
  return runtime.scope(() => {
    const own = runtime.tensor(numbers, [numbers.length], "float64");
    const ranks = Array.from({ length: group.size }, (_, rank) => rank);
    for (const peer of ranks) if (peer !== group.rank) group.send(peer, "control", [own]);
    return ranks.map((peer) =>
      peer === group.rank ? [...numbers] : group.receive(peer, "control").take()[0]!.toArray(),
    );
  });
}
