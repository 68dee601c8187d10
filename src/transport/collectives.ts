import type { ProcessGroup } from "./process-group.ts";

/** Every rank's number, by rank; every rank of the group must call it. */
export function allGatherNumbers(group: ProcessGroup, value: number): number[] {
  const { runtime } = group;
  return runtime.scope(() => {
    const own = runtime.tensor([value], [1], "float64");
    const peers = Array.from({ length: group.size }, (_, rank) => rank).filter((rank) => rank !== group.rank);
    for (const peer of peers) group.send(peer, "control", [own]);
    const values = new Array<number>(group.size);
    values[group.rank] = value;
    for (const peer of peers) values[peer] = group.receive(peer, "control").take()[0]!.item();
    return values;
  });
}
