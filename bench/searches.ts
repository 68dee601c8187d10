// The search next to the scheduler of the authors of Zero Bubble: `npm run bench -- searches [TRIALS [EVERY]]`.
//
// test/schedule/golden/zero-bubble-results.json has what their heuristic (sail-sg/zero-bubble-pipeline-parallelism)
// gave for 386 sets of sizes, costs and memory, timed by our simulator. A row that is not in bold is no worse.
import { readFileSync } from "node:fs";
import { type CostModel, loopedPlacement, searchSchedule, vPlacement } from "../src/schedule/index.ts";

interface PeerResult {
  readonly kind: string;
  readonly ranks: number;
  readonly numMicroBatches: number;
  readonly F: number;
  readonly I: number;
  readonly W: number;
  readonly link: number;
  /** Activations that a rank may hold, in micro-batches of a stage. */
  readonly peak: number;
  readonly makespan: number;
}

const RESULTS = new URL("../../test/schedule/golden/zero-bubble-results.json", import.meta.url);
/** A result that is worse by more than this share counts as a loss. */
const TIE = 1e-3;

/**
 * No program is faster. A rank starts when the first micro-batch reaches it and then has all its work to do. The first
 * stage has run all other forwards before its last one, whose micro-batch then goes there and back. And after the first
 * input gradient that comes back, it has all other I and every W to run.
 */
function lowerBound(peer: PeerResult, stagesPerRank: number): number {
  const { ranks, numMicroBatches, F, I, W, link } = peer;
  const work = numMicroBatches * stagesPerRank * (F + I + W);
  const wayToLastRank = (ranks - 1) * (F + link);
  const roundTrip = ranks * stagesPerRank * (F + I) + 2 * (ranks - 1) * stagesPerRank * link;
  const others = numMicroBatches - 1;
  return Math.max(wayToLastRank + work, roundTrip + W + others * Math.max(F, I + W));
}

export async function main([trials = "1200", every = "1"]: readonly string[]): Promise<number> {
  const all = JSON.parse(readFileSync(RESULTS, "utf8")) as readonly PeerResult[];
  const counts = { wins: 0, ties: 0, losses: 0, optimal: 0 };
  console.log(
    "| kind | P x M | F, I, W, link | room | ours | theirs | lower bound |\n|---|---|---|---|---|---|---|",
  );
  for (const peer of all.filter((_, index) => index % Number(every) === 0)) {
    const { kind, ranks, numMicroBatches, F, I, W, link, peak } = peer;
    const isV = kind.startsWith("v") || kind === "zbv";
    const placement = (isV ? vPlacement : loopedPlacement)(ranks, numMicroBatches);
    const cost: CostModel = { F, I, W, link: { latency: link } };
    const search = { placement, cost, maxActivations: peak, numTrials: Number(trials) };
    const ours = searchSchedule(search).simulation.makespan;
    const bound = lowerBound(peer, isV ? 2 : 1);
    const ratio = ours / peer.makespan;
    if (ratio > 1 + TIE) counts.losses++;
    else if (ratio < 1 - 1e-9) counts.wins++;
    else counts.ties++;
    if (ours < bound * (1 + 1e-9)) counts.optimal++;
    const shown = ratio > 1 + TIE ? `**${ours.toFixed(2)}**` : ours.toFixed(2);
    console.log(
      `| ${kind} | ${ranks} x ${numMicroBatches} | ${[F, I, W, link].join(", ")} | ${peak} | ${shown} | ${peer.makespan} | ${bound.toFixed(2)} |`,
    );
  }
  const { wins, ties, losses, optimal } = counts;
  console.log(`${wins} wins, ${ties} ties, ${losses} losses; ${optimal} reach the lower bound`);
  return losses === 0 ? 0 : 1;
}
