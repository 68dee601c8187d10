/*
 * How fast a device computes, from runs on it.
 *
 * The share of its peak that a device reaches depends on the sizes of the products, above all on their rows, the tokens
 * of a micro-batch: with few of them, reading the weights takes as long as computing. With the rate r of endless rows
 * and `halfRows` h, a product of n rows runs at r n / (n + h). So the time of an operation is linear in 1 / n, and a
 * line through measured points gives both.
 */
import { shown } from "../../errors/shown.ts";
import { ScheduleError } from "../program/schedule-error.ts";
import type { Profile } from "../simulate/profile.ts";
import type { DeviceShape } from "./model-cost.ts";

interface Measured {
  readonly rows: number;
  readonly secondsPerFlop: number;
}

/**
 * The device with the efficiency of the profiled runs. Profiles of micro-batches with different numbers of tokens also
 * give `halfRows`; otherwise the device's own stays.
 * @throws ScheduleError `INVALID_PLAN` when a profile does not have the size of its micro-batch, or is faster than the
 * peak of the device
 */
export function calibrate(device: DeviceShape, profiles: readonly Profile[]): DeviceShape {
  const measured = profiles.map(measuredOf);
  const { intercept, slope } = lineThrough(measured, device.halfRows ?? 0);
  const efficiency = 1 / (intercept * device.peakFlops);
  if (!(efficiency <= 1))
    throw new ScheduleError(
      "INVALID_PLAN",
      `plan: a profile must not be faster than the peak of the device; got ${(efficiency * device.peakFlops).toExponential(2)} ` +
        `and ${device.peakFlops.toExponential(2)} operations per second; give the peak of the device that was profiled`,
    );
  return { ...device, efficiency, halfRows: slope / intercept };
}

function measuredOf(profile: Profile): Measured {
  const { microBatch, F, B } = profile;
  if (microBatch === undefined)
    throw new ScheduleError(
      "INVALID_PLAN",
      `plan: a profile to calibrate with must have the size of its micro-batch; got ${shown(microBatch)}; write it again with dualpipe train --profile`,
    );
  const milliseconds = [...F, ...B].reduce((sum, time) => sum + time, 0);
  return { rows: microBatch.tokens, secondsPerFlop: milliseconds / 1000 / microBatch.flops };
}

/**
 * The time of an operation over 1 / rows: the least-squares line, if it does not fall, or the line through one point
 * that `halfRows` gives.
 */
function lineThrough(measured: readonly Measured[], halfRows: number) {
  const mean = (of: (each: Measured) => number) =>
    measured.reduce((sum, each) => sum + of(each), 0) / measured.length;
  const [x, y] = [mean(({ rows }) => 1 / rows), mean(({ secondsPerFlop }) => secondsPerFlop)];
  const variance = mean(({ rows }) => (1 / rows - x) ** 2);
  if (variance === 0) {
    const intercept = y / (1 + halfRows * x);
    return { intercept, slope: halfRows * intercept };
  }
  const covariance = mean(({ rows, secondsPerFlop }) => (1 / rows - x) * (secondsPerFlop - y));
  // A line through zero would be a device without a peak.
  const slope = Math.min(Math.max(0, covariance / variance), 0.999 * (y / x));
  return { intercept: y - slope * x, slope };
}
