import { describe, expect, it } from "vitest";
import { Progress, type ProgressStep } from "./progress.ts";

function record(isTTY: boolean, columns = 80) {
  const written: string[] = [];
  const output = { isTTY, columns, write: (text: string) => written.push(text) };
  return { written, progress: new Progress(200, output) };
}

function step(number: number, elapsedSeconds: number, secondsLeft = 65): ProgressStep {
  return {
    step: number,
    loss: 4.12345,
    tokensPerSecond: 12_345,
    elapsedSeconds,
    secondsLeft,
    bubble: 0.256,
    peakBytes: 1.25e8,
  };
}

/** What stands on a terminal after all of this was written. */
function screen(written: readonly string[]): string[] {
  const rows = [""];
  for (const line of written.join("").split("\n")) {
    rows[rows.length - 1] = line.split("\r\u001b[2K").at(-1)!;
    rows.push("");
  }
  rows.pop();
  return rows;
}

describe("Progress on a terminal", () => {
  it("redraws one line, and leaves the last standing", () => {
    const { written, progress } = record(true);
    progress.update(step(1, 1));
    progress.update(step(2, 2));
    expect(screen(written)).toEqual([
      "step   2/200  loss 4.1235  12.3k tokens/s  1m 5s left  bubble 26 %  125 MB",
    ]);
    progress.end();
    progress.end();
    expect(screen(written)).toEqual([
      "step   2/200  loss 4.1235  12.3k tokens/s  1m 5s left  bubble 26 %  125 MB",
      "",
    ]);
  });

  it("keeps printed lines above it", () => {
    const { written, progress } = record(true);
    progress.update(step(1, 1));
    progress.print("validation loss 5");
    expect(screen(written)).toEqual([
      "validation loss 5",
      "step   1/200  loss 4.1235  12.3k tokens/s  1m 5s left  bubble 26 %  125 MB",
    ]);
  });

  it("is not redrawn for every fast step, but for the last", () => {
    const { written, progress } = record(true);
    progress.update(step(1, 1));
    progress.update(step(2, 1.05));
    expect(written).toHaveLength(1);
    progress.update(step(200, 1.06));
    expect(written).toHaveLength(2);
  });

  it("never fills the last column, where it would wrap", () => {
    const { written, progress } = record(true, 20);
    progress.update(step(1, 1));
    expect(screen(written)[0]).toHaveLength(19);
  });
});

describe("Progress elsewhere", () => {
  it("writes the first step, one every five seconds and the last, without control characters", () => {
    const { written, progress } = record(false);
    for (let number = 1; number <= 200; number++) {
      progress.update(step(number, number * 0.04));
    }
    progress.print("\u001b[1mdone\u001b[22m");
    progress.end();
    expect(written.map((line) => line.match(/^(step +\d+|done)/)?.[0])).toEqual([
      "step   1",
      "step 126",
      "step 200",
      "done",
    ]);
    expect(written.every((line) => line.endsWith("\n") && !line.includes("\u001b"))).toBe(true);
  });

  it.each([
    [0.4, "0s left"],
    [59.6, "1m 0s left"],
    [7322, "2h 2m left"],
  ])("says %d s as %s", (secondsLeft, words) => {
    const { written, progress } = record(false);
    progress.update(step(1, 0, secondsLeft));
    expect(written[0]).toContain(words);
  });
});
