import type { RankContext } from "../../src/launch/rank-context.ts";

/** Both ranks meet at a TCPStore and swap a tensor over Gloo. */
export default function exchange({ rank, runtime, data }: RankContext<{ port: number }>): number[] {
  const { c10d } = runtime.addon;
  if (c10d === null) throw new Error("this LibTorch has no Gloo");
  const group = c10d.open("127.0.0.1", data.port, rank, 2, 20_000);
  const sent = runtime.tensor([rank + 1, 10 * (rank + 1)]);
  const received = runtime.zeros([2]);
  const peer = 1 - rank;
  // One sends first and the other receives first: Gloo's send waits for its receive.
  if (rank === 0) c10d.send(group, sent.handle, peer, 7);
  c10d.receive(group, received.handle, peer, 7);
  if (rank === 1) c10d.send(group, sent.handle, peer, 7);
  c10d.close(group);
  return received.toArray();
}
