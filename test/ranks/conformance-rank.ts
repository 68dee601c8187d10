import type { RankContext } from "../../src/launch/rank-context.ts";
import { runConformance } from "./conformance.ts";

export default function run({ processGroup }: RankContext): Record<string, string> {
  return runConformance(processGroup);
}
