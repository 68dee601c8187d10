import type { ProcessGroup } from "./process-group.ts";

/** Every rank's numbers, by rank, as float64. Every rank of the group must call it, with as many numbers. */
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
