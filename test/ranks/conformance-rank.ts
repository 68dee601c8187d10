import type { RankContext } from "../../src/launch/rank-context.ts";
import { CHANNEL_KINDS } from "../../src/transport/process-group.ts";
import { runConformance } from "./conformance.ts";

export default function run({ processGroup }: RankContext): Record<string, string> {
  const { rank, size } = processGroup;
  const peers = Array.from({ length: size }, (_, peer) => peer).filter((peer) => peer !== rank);
  processGroup.connectCards(
    CHANNEL_KINDS.flatMap((kind) =>
      peers.flatMap(
        (peer) =>
          [
            { peer, kind, way: "to" },
            { peer, kind, way: "from" },
          ] as const,
      ),
    ),
  );
  return runConformance(processGroup);
}
