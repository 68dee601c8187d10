import fc from "fast-check";
import { expect, test } from "vitest";
import { calibrate, type DeviceShape, type Profile } from "../index.ts";

const device: DeviceShape = {
  peakFlops: 1e15,
  efficiency: 0.5,
  halfRows: 100,
  memoryBytes: 80e9,
  link: { latency: 0 },
  allReduceBandwidth: 1e9,
};

const FLOPS_PER_TOKEN = 6e9;

/** A run whose products reach `efficiency` of the peak with endless rows, and half of that with `halfRows`. */
function profileOf(tokens: number, efficiency: number, halfRows: number): Profile {
  const flops = tokens * FLOPS_PER_TOKEN;
  const ms = (1000 * flops * (1 + halfRows / tokens)) / (device.peakFlops * efficiency);
  const [F, B] = [
    [ms / 6, ms / 6],
    [ms / 3, ms / 3],
  ] as const;
  const sizes = { schedule: "1f1b", numRanks: 2, numStages: 2, numMicroBatches: 4, stepMs: 1 };
  const rest = { version: 1, I: B, W: B, pairShare: 1, link: { latency: 0 } } as const;
  return { ...sizes, ...rest, F, B, microBatch: { tokens, flops } };
}

test("profiles of two sizes give what the device reaches with any number of rows", () => {
  const rows = fc.integer({ min: 16, max: 16_384 });
  fc.assert(
    fc.property(
      rows,
      rows,
      fc.double({ min: 0.1, max: 0.9, noNaN: true }),
      fc.integer({ min: 0, max: 1000 }),
      (a, b, e, h) => {
        fc.pre(Math.max(a, b) > 1.5 * Math.min(a, b));
        const found = calibrate(device, [profileOf(a, e, h), profileOf(b, e, h)]);
        expect(found.efficiency).toBeCloseTo(e, 6);
        expect(found.halfRows! / (h || 1)).toBeCloseTo(h === 0 ? 0 : 1, 4);
      },
    ),
  );
});

test("a profile of one size gives the efficiency, and leaves the rows", () => {
  const found = calibrate(device, [profileOf(512, 0.4, 100)]);
  expect(found.efficiency).toBeCloseTo(0.4, 12);
  expect(found.halfRows).toBeCloseTo(100, 9);
});

test("more profiles give the line through the middle of them", () => {
  const sizes = [256, 1024, 4096];
  const slower = sizes.map((tokens, index) => profileOf(tokens, index === 1 ? 0.38 : 0.4, 100));
  const { efficiency } = calibrate(device, slower);
  expect(efficiency).toBeGreaterThan(0.38);
  expect(efficiency).toBeLessThan(0.4);
});

test("what cannot be is refused", () => {
  const { microBatch: _, ...without } = profileOf(512, 0.4, 0);
  expect(() => calibrate(device, [without])).toThrow(
    /size of its micro-batch; got undefined; write it again/,
  );
  expect(() => calibrate(device, [profileOf(512, 1.2, 100)])).toThrow(
    /got 1.20e\+15 and 1.00e\+15 operations per second; give the peak/,
  );
});
