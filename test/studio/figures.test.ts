// What the page draws, block for block: against the figures of the papers, and pixel against block.
import { afterAll, beforeAll, expect } from "vitest";
import { type Action, type Timeline, TimelineTrack } from "../../src/schedule/index.ts";
import { colours, FIGURE_HALF, FIGURE_ROWS } from "../schedule/figure-colours.ts";
import { figureLayout } from "../schedule/figure-layout.ts";
import { BROWSER, inBrowser, type PaintedBlock, paintedBlocks, StudioInBrowser } from "./browser.ts";

let studio: StudioInBrowser;
beforeAll(async () => {
  if (BROWSER !== undefined) studio = await StudioInBrowser.start();
});
afterAll(() => studio?.[Symbol.asyncDispose]());

inBrowser.each([
  ["dualpipe", 8, 20, FIGURE_ROWS],
  ["dualpipev", 4, 10, FIGURE_HALF],
] as const)(
  "%s with %i ranks and %i micro-batches is the published figure",
  async (schedule, ranks, microBatches, figure) => {
    const page = await studio.open(
      `#/design?schedule=${schedule}&ranks=${ranks}&micro-batches=${microBatches}&F=1&I=1&W=1&FB=3&whole=1`,
    );
    const blocks = await paintedBlocks(page);
    const timeline = timelineOf(schedule, ranks, microBatches, blocks);
    const laidOut = figureLayout(timeline).map((events) => TimelineTrack.from(events, microBatches));
    expect(colours({ schedule, ranks: laidOut })).toEqual(figure);
    for (const block of blocks)
      expect(`${block.kind} ${hueOf(block)}`).toBe(`${block.kind} ${HUES[block.kind]}`);
    expect(new Set(blocks.map(({ label }) => Number(label)))).toEqual(
      new Set(Array.from({ length: microBatches }, (_, i) => i)),
    );
    expect(studio.errors).toEqual([]);
  },
);

inBrowser("the two directions, and the stages of a rank, differ in colour", async () => {
  const page = await studio.open("#/design?schedule=interleaved&ranks=4&micro-batches=8&stages-per-rank=2");
  const forwards = (await paintedBlocks(page)).filter(({ rank, kind }) => rank === 1 && kind === "F");
  const coloursOf = (stage: number) =>
    new Set(forwards.filter((block) => block.stage === stage).map(({ pixel }) => pixel.join()));
  expect(coloursOf(1).size).toBe(1);
  expect(coloursOf(5).size).toBe(1);
  expect(coloursOf(1)).not.toEqual(coloursOf(5));
  expect(forwards[0]!.label).toBe("1·0");
});

const HUES = { F: "orange", I: "cyan", W: "blue", B: "green" } as const;

/** The name of a block's colour on the canvas, whatever its lightness. */
function hueOf({ pixel: [red, green, blue] }: PaintedBlock): string {
  const most = Math.max(red, green, blue);
  if (most === red) return "orange";
  if (most === green) return "green";
  return most - green < 0.45 * (most - red) ? "cyan" : "blue";
}

/** The events that the page's blocks are of. */
function timelineOf(
  schedule: string,
  numRanks: number,
  numMicroBatches: number,
  blocks: readonly PaintedBlock[],
): Timeline {
  const ranks = Array.from({ length: numRanks }, (_, rank) => {
    const own = blocks.filter((block) => block.rank === rank);
    const indices = [...new Set(own.map(({ index }) => index))];
    const events = indices.map((index) => {
      const parts = own.filter((block) => block.index === index);
      return { action: actionOf(parts), startMs: parts[0]!.start, endMs: parts.at(-1)!.end };
    });
    return TimelineTrack.from(events, numMicroBatches);
  });
  return { schedule, ranks };
}

function actionOf([first, second]: readonly PaintedBlock[]): Action {
  const computation = ({ kind, stage, microBatch }: PaintedBlock) => ({ kind, stage, microBatch });
  if (second === undefined) return computation(first!);
  return {
    kind: "OVERLAP_F_B",
    forward: { ...computation(first!), kind: "F" },
    backward: { ...computation(second), kind: "B" },
  };
}
