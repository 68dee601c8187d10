import { describe, expect, it } from "vitest";
import { Throughput } from "./throughput.ts";

function withClock(options: { numSteps: number; firstStep?: number }) {
  let ms = 5000;
  const throughput = new Throughput({ ...options, tokensPerStep: 1000, nowMs: () => ms });
  return {
    throughput,
    pass: (passedMs: number) => {
      ms += passedMs;
    },
  };
}

describe("Throughput", () => {
  it("tells tokens per second and the time left of the steps so far", () => {
    const { throughput, pass } = withClock({ numSteps: 10 });
    pass(1000);
    expect(throughput.stepDone()).toEqual({ elapsedSeconds: 1, tokensPerSecond: 1000, secondsLeft: 9 });
    pass(3000);
    expect(throughput.stepDone()).toEqual({ elapsedSeconds: 4, tokensPerSecond: 500, secondsLeft: 16 });
  });

  it("leaves out pauses, but not from the elapsed time", () => {
    const { throughput, pass } = withClock({ numSteps: 3 });
    pass(1000);
    throughput.stepDone();
    pass(7000);
    throughput.resume();
    pass(1000);
    expect(throughput.stepDone()).toEqual({ elapsedSeconds: 9, tokensPerSecond: 1000, secondsLeft: 1 });
  });

  it("forgets steps of long ago, and counts those of an earlier run as done", () => {
    const { throughput, pass } = withClock({ numSteps: 100, firstStep: 50 });
    pass(60_000);
    throughput.stepDone();
    for (let step = 0; step < 19; step++) {
      pass(500);
      throughput.stepDone();
    }
    pass(500);
    expect(throughput.stepDone()).toEqual({ elapsedSeconds: 70, tokensPerSecond: 2000, secondsLeft: 14.5 });
  });

  it("tells the share of the devices' operations that the model needs, where both are known", () => {
    let ms = 0;
    const throughput = new Throughput({
      numSteps: 2,
      tokensPerStep: 1000,
      nowMs: () => ms,
      flopsPerToken: 3e9,
    });
    ms += 1000;
    expect(throughput.stepDone().mfu).toBeUndefined();
    throughput.peakFlops = 10e12;
    ms += 1000;
    expect(throughput.stepDone().mfu).toBeCloseTo(0.3, 12);
  });
});
