// A rank fails in the middle of a step: who stops, what is reported, and what can be done afterwards.
import { expect, test } from "vitest";
import { mseLoss } from "../../src/autograd/operators/loss.ts";
import type { RankError } from "../../src/launch/rank-error.ts";
import { type RunRanksOptions, runRanks } from "../../src/launch/run-ranks.ts";
import { Runtime } from "../../src/tensor/runtime.ts";
import { type Failure, type FailureData, type FailureReport, failureSizes } from "./failure-rank.ts";
import { mlpStage, wholeBatch } from "./mlp-model.ts";
import { cosineDifference, runSequentially } from "./sequential.ts";
import { gradientsOf } from "./step-report.ts";

const runtime = Runtime.load();
const numRanks = 4;

function run(data: FailureData, options: Partial<RunRanksOptions> = {}): Promise<FailureReport[]> {
  return runRanks(new URL("./failure-rank.ts", import.meta.url), { numRanks, data, ...options });
}

async function failureOf(running: Promise<unknown>): Promise<RankError> {
  try {
    await running;
  } catch (error) {
    return error as RankError;
  }
  throw new Error("the run ended without an error");
}

interface Case extends Failure {
  readonly code: string;
  readonly message: string;
  /** The rank in which the failure shows, when it is not the one that causes it. */
  readonly metBy?: number;
}

const cases: readonly Case[] = [
  { rank: 0, atCall: 1, code: "STAGE_FAILED", message: "rank 0, 0F0: boom" },
  { rank: 2, atCall: 3, code: "STAGE_FAILED", message: "rank 2, (2F2;1B5)OVERLAP_F_B: boom" },
  {
    rank: 3,
    atCall: 2,
    mood: "trap",
    code: "STAGE_FAILED",
    message: "rank 3, (0F8;3B1)OVERLAP_F_B: a trap in the backward",
  },
  {
    rank: 1,
    atCall: 3,
    mood: "trap",
    code: "STAGE_FAILED",
    message: "rank 1, (2F9;1B2)OVERLAP_F_B: a trap in the backward",
  },
  {
    rank: 1,
    atCall: 2,
    mood: "widen",
    metBy: 2,
    code: "STAGE_FAILED",
    message:
      "rank 2, 2F1: linear: x must be [..., in], weight [out, in] and bias [out]; got x float32[1, 2, 9], weight float32[32, 8]",
  },
  {
    rank: 0,
    atCall: "no criterion",
    code: "INVALID_INPUT",
    message: "rank 0: the losses of the micro-batches 5..9 are computed here; pass a criterion",
  },
  {
    rank: 3,
    atCall: "no inputs",
    code: "INVALID_INPUT",
    message: "rank 3: the micro-batches 5..9 enter here; pass their inputs to step",
  },
  {
    rank: 3,
    atCall: "no labels",
    code: "INVALID_INPUT",
    message:
      "rank 3: the labels of the micro-batches 0..4 are needed here; pass labels, or [] when the criterion takes none",
  },
];

test("ranks that catch their errors run the next step as if nothing had been", async () => {
  const reports = await run({ failures: cases, goOn: true });
  const { numMicroBatches } = failureSizes;
  const stages = Array.from({ length: numRanks }, (_, stage) => mlpStage(runtime, failureSizes, stage));
  const { losses } = runtime.scope(() => {
    const { inputs, targets } = wholeBatch(runtime, failureSizes);
    return runSequentially(stages, { inputs: [inputs], labels: [targets], numMicroBatches }, mseLoss);
  });
  const gradients = stages.map(gradientsOf);
  cases.forEach(({ rank: culprit, metBy = culprit, code, message }, i) => {
    reports.forEach(({ errors, numTensorsLeft, numBytesLeft, steps }, rank) => {
      const isCulprit = rank === metBy;
      expect(errors[i]!.code).toBe(isCulprit ? code : "ABORTED");
      if (isCulprit) expect(errors[i]!.message).toBe(`dualpipe: ${message}`);
      else expect(errors[i]!.message).toContain(`rank ${metBy} failed: ${message}`);
      expect(numTensorsLeft[i]).toBe(0);
      expect(numBytesLeft[i]).toBe(0);
      const { losses: ofRank, stages: ofStages } = steps[i]!;
      const half = numMicroBatches / 2;
      if (rank === 0) expect(ofRank).toEqual(losses.slice(half));
      if (rank === numRanks - 1) expect(ofRank).toEqual(losses.slice(0, half));
      for (const { stage, gradients: actual } of ofStages)
        for (const [name, values] of Object.entries(actual)) {
          const difference = cosineDifference(values!, gradients[stage]![name]!);
          expect(Math.abs(difference)).toBeLessThan(1e-13);
        }
    });
  });
});

test("a rank of one replica that fails stops those of the others, and then all run the next step", async () => {
  const failures: Failure[] = [
    { rank: 3, atCall: 2 },
    { rank: 0, atCall: 4, mood: "trap" },
  ];
  const numReplicas = 2;
  const reports = await run({ failures, goOn: true, numReplicas });
  const stages = [0, 1].map((stage) => mlpStage(runtime, failureSizes, stage));
  const { losses } = runtime.scope(() => {
    const { inputs, targets } = wholeBatch(runtime, failureSizes);
    const { numMicroBatches } = failureSizes;
    return runSequentially(stages, { inputs: [inputs], labels: [targets], numMicroBatches }, mseLoss);
  });
  const gradients = stages.map(gradientsOf);
  failures.forEach(({ rank: culprit }, i) => {
    reports.forEach(({ errors, numTensorsLeft, steps }, rank) => {
      expect(errors[i]!.code).toBe(rank === culprit ? "STAGE_FAILED" : "ABORTED");
      if (rank !== culprit) expect(errors[i]!.message).toContain(`rank ${culprit} failed: rank ${culprit}, `);
      expect(numTensorsLeft[i]).toBe(0);
      expect(steps[i]!.losses).toEqual(rank % 2 === 0 ? losses.slice(5) : losses.slice(0, 5));
      for (const { stage, gradients: actual } of steps[i]!.stages)
        for (const [name, values] of Object.entries(actual)) {
          const twice = gradients[stage]![name]!.map((value) => numReplicas * value);
          expect(Math.abs(cosineDifference(values!, twice))).toBeLessThan(1e-13);
        }
    });
  });
});

test.each([
  ["throws", "throw", "STAGE_FAILED", "dualpipe: rank 2, (2F2;1B5)OVERLAP_F_B: boom"],
  ["exits", "exit", "CRASHED", "dualpipe: rank 2 ended with exit code 7 before its program did"],
] as const)(
  "when a rank %s in the middle of a step all stop, and its error is reported",
  async (_, mood, code, message) => {
    let failedAtMs = Number.NaN;
    const running = run(
      { failures: [{ rank: 2, atCall: 3, mood }], goOn: false },
      {
        onReport: (_rank, what) => {
          if (what === "failing") failedAtMs = performance.now();
        },
      },
    );
    expect(await failureOf(running)).toMatchObject({ rank: 2, code, message });
    // Ending ranks by force takes longer than this limit; stopping by themselves does not, even on a busy machine.
    expect(performance.now() - failedAtMs).toBeLessThan(4_000);
  },
);

test("a signal stops ranks in the middle of their steps", async () => {
  const interruption = new AbortController();
  const numSteps = new Array<number>(numRanks).fill(0);
  const running = run(
    { failures: [], goOn: false },
    {
      signal: interruption.signal,
      onReport: (rank) => {
        numSteps[rank]!++;
        if (Math.min(...numSteps) === 3) interruption.abort();
      },
    },
  );
  expect(await failureOf(running)).toMatchObject({ rank: undefined, code: "INTERRUPTED" });
});
