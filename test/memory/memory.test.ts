// Memory over many steps, and at the peak of one.
import { expect, test } from "vitest";
import { runRanks } from "../../src/launch/run-ranks.ts";
import type { MemoryCase, MemoryReport } from "./memory-rank.ts";

function run(numRanks: number, data: readonly MemoryCase[]): Promise<MemoryReport[][]> {
  return runRanks(new URL("./memory-rank.ts", import.meta.url), { numRanks, data });
}

const tiny = { hidden: 4, sequence: 1, microBatchSize: 1, dtype: "float32" } as const;

test.each([
  [2, "dualpipe", 4, 1000],
  [2, "dualpipev", 4, 1000],
  [4, "dualpipe", 8, 200],
] as const)(
  "on %i ranks under %s, after each step tensors and bytes are back at their baseline",
  async (numRanks, schedule, numMicroBatches, numSteps) => {
    const sizes = { ...tiny, numMicroBatches };
    for (const [report] of await run(numRanks, [{ schedule, sizes, numSteps }])) {
      const zeros = new Array<number>(numSteps).fill(0);
      expect(report!.numTensors).toEqual(zeros);
      expect(report!.numBytes).toEqual(zeros);
    }
  },
);

test.each([
  [2, "dualpipe", 3],
  [4, "dualpipe", 5],
  [8, "dualpipe", 9],
  // With 2P stages, each half as large.
  [2, "dualpipev", 5],
  [4, "dualpipev", 9],
] as const)(
  "on %i ranks, %s holds at most %i micro-batches of activations of a stage on a rank",
  async (numRanks, schedule, maxInFlight) => {
    const sizes = {
      hidden: 8,
      sequence: 128,
      microBatchSize: 1,
      numMicroBatches: 20,
      dtype: "float32",
    } as const;
    const reports = await run(numRanks, [{ schedule, sizes, numSteps: 3 }]);
    const edgeBytes = 4 * sizes.sequence * sizes.hidden;
    // A stage keeps its input, the input and the output of its GELU, and, before a loss, its output.
    const microBatchBytes = (1 + 4 + 4 + 1) * edgeBytes;
    // The running backward has a gradient for each of them, the forward in the same pair the squares of its loss; and
    // on each of four edges a message may wait. Every loss of the step is one element, and one loss has its gradient.
    const passingBytes = microBatchBytes + (1 + 4) * edgeBytes + 4 * (sizes.numMicroBatches + 1);
    const allowedBytes = numRanks * (maxInFlight * microBatchBytes + passingBytes);
    for (const [report] of reports) {
      expect(Math.max(...report!.maxInFlight)).toBeLessThanOrEqual(maxInFlight);
      expect(Math.max(...report!.peakBytes)).toBeLessThanOrEqual(allowedBytes);
    }
    // And the measurement sees what is held: the peak is not far below the limit.
    expect(Math.max(...reports[0]![0]!.peakBytes)).toBeGreaterThan(allowedBytes / 3);
  },
);
