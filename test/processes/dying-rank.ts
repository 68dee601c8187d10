import type { RankContext } from "../../src/launch/rank-context.ts";

/** The last rank kills its process once rank 0 waits for it. */
export default function run({ rank, numRanks, processGroup }: RankContext): void {
  const last = numRanks - 1;
  if (rank === 0) {
    const pending = processGroup.receive(last, "gradients");
    processGroup.send(last, "control", []);
    pending.wait();
  } else if (rank === last) {
    processGroup.receive(0, "control").wait();
    process.kill(process.pid, "SIGKILL");
  }
}
