import { deserialize, serialize } from "node:v8";
import { allGatherNumbers } from "../../transport/collectives.ts";
import type { ProcessGroup } from "../../transport/process-group.ts";

/** Sends any value that `structuredClone` takes to another rank, as bytes. */
export function sendValue(group: ProcessGroup, peer: number, value: unknown): void {
  const { runtime } = group;
  const bytes = serialize(value);
  runtime.scope(() => group.send(peer, "control", [runtime.fromArray(bytes, [bytes.length], "uint8")]));
}

/** Waits for a value that another rank sent. */
export function receiveValue(group: ProcessGroup, peer: number): unknown {
  const { runtime } = group;
  return runtime.scope(() => {
    const [bytes] = group.receive(peer, "control").take();
    return deserialize(Buffer.from(runtime.readBytes(bytes!)));
  });
}

/**
 * Collects a value from each of the first `numRanks` ranks, which must all call it.
 * @returns On rank 0 the values by rank; elsewhere nothing.
 */
export function gatherValues<Value>(group: ProcessGroup, numRanks: number, value: Value): Value[] {
  if (group.rank !== 0) {
    sendValue(group, 0, value);
    return [];
  }
  return Array.from({ length: numRanks }, (_, rank) =>
    rank === 0 ? value : (receiveValue(group, rank) as Value),
  );
}

/** Sums over all ranks, in the order of the ranks, so every rank gets the same bits. */
export function sumOverRanks(group: ProcessGroup, numbers: readonly number[]): number[] {
  const byRank = allGatherNumbers(group, numbers);
  return numbers.map((_, i) => byRank.reduce((sum, values) => sum + values[i]!, 0));
}
