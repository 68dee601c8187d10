/**
 * A step as a chart in characters: a row for each rank, time from left to right.
 *
 * A chart must be readable wherever it is printed, so its width decides what it shows. Where every computation has room
 * for its name, all have one: the stage (unless each rank has one only), the kind and the micro-batch, such as `3F0`.
 * Where one has no room, none is named: a column is then a slice of time with a letter for what runs in it, and the
 * whole step still fits. Names that are cut off, or given to some only, would be read as other names.
 */

import pc from "picocolors";
import { counted } from "../../errors/counted.ts";
import { readEnvironment } from "../../errors/environment.ts";
import { type Bar, barsOf, KIND_IN_WORDS } from "../../schedule/draw/bars.ts";
import { ChartRows } from "../../schedule/draw/chart-rows.ts";
import { ticksOf } from "../../schedule/draw/ticks.ts";
import { makespanOf, type Program, type Timeline, type TimelineTrack } from "../../schedule/index.ts";

export interface GanttOptions {
  /** Largest number of characters in a line. */
  readonly maxWidth: number;
  readonly maxRanks: number;
}

const PAINT = {
  F: (text: string) => pc.bgYellow(pc.black(text)),
  B: (text: string) => pc.bgGreen(pc.black(text)),
  I: (text: string) => pc.bgCyan(pc.black(text)),
  W: (text: string) => pc.bgBlue(pc.white(text)),
};

const KINDS = ["F", "I", "W", "B"] as const;
/** The least number of columns for time, however narrow the terminal is. */
const MIN_COLUMNS = 20;
const TICK_COLUMNS = 12;

/** A bar, and whether it is the forward of a pair. */
interface ChartBar extends Bar {
  readonly isPairedForward: boolean;
}

/** The largest number of computations that a chart is drawn of. */
const MAX_COMPUTATIONS = 2 ** 22;

/** A rank-by-time chart in characters, with an axis and a legend. It says how many ranks are left out. */
export function gantt(timeline: Timeline, { maxWidth, maxRanks }: GanttOptions): string {
  const numComputations = timeline.ranks.reduce((sum, { length }) => sum + length, 0);
  if (numComputations > MAX_COMPUTATIONS)
    return pc.dim(`(${numComputations} computations are too many for a chart; --json has all)`);
  const rows = new ChartRows(timeline);
  const shown = timeline.ranks.slice(0, maxRanks);
  const titles = shown.map((_, rank) => `${rows.titleOf(rank)}  `);
  const prefix = Math.max(...titles.map(({ length }) => length));
  const room = Math.max(MIN_COLUMNS, maxWidth - prefix);
  const makespan = makespanOf(timeline);
  const facts = factsOf(timeline, rows);
  const numNamedColumns = Math.round(makespan * facts.columnsPerTime);
  const isNamed = numNamedColumns <= room;
  const width = isNamed ? numNamedColumns : room;
  const columnsPerTime = isNamed ? facts.columnsPerTime : width / makespan;
  const lines = shown.map((track, rank) => {
    const row = isNamed
      ? nameTrack(track, facts.nameOf, columnsPerTime, width)
      : sliceTrack(track, rows, columnsPerTime, width);
    return titles[rank]!.padEnd(prefix) + row;
  });
  const numHidden = timeline.ranks.length - shown.length;
  const legend = isNamed
    ? namedLegend(facts, rows)
    : slicedLegend(facts, rows, 1 / columnsPerTime, prefix + numNamedColumns);
  return [
    ...lines,
    pc.dim(" ".repeat(prefix) + drawAxis(makespan, columnsPerTime, room)),
    ...(numHidden > 0 ? [pc.dim(`(${counted(numHidden, "more rank")} did not fit; --json has all)`)] : []),
    ...legend.map((line) => pc.dim(line)),
  ].join("\n");
}

/** What the scale and the legend depend on. */
interface Facts {
  readonly nameOf: (bar: Bar) => string;
  /** The columns per time at which the shortest bar has room for the longest name. */
  readonly columnsPerTime: number;
  readonly kinds: ReadonlySet<Bar["kind"]>;
  readonly hasPairs: boolean;
  /** A bar to explain the names by. */
  readonly example: Bar | undefined;
}

function factsOf(timeline: Timeline, rows: ChartRows): Facts {
  const nameOf = ({ stage, kind, microBatch }: Bar) =>
    `${rows.hasSeveralStages ? stage : ""}${kind}${microBatch}`;
  const kinds = new Set<Bar["kind"]>();
  let longest = 1;
  let shortest = Number.POSITIVE_INFINITY;
  let hasPairs = false;
  let example: Bar | undefined;
  for (const track of timeline.ranks)
    for (const bar of chartBars(track)) {
      longest = Math.max(longest, nameOf(bar).length);
      shortest = Math.min(shortest, bar.end - bar.start);
      kinds.add(bar.kind);
      hasPairs ||= bar.isPairedForward;
      example = bar;
    }
  // A little more, so that no rounding takes a column from the shortest.
  const columnsPerTime = Number.isFinite(shortest) ? ((longest + 1) / shortest) * (1 + 1e-9) : 1;
  return { nameOf, columnsPerTime, kinds, hasPairs, example };
}

/** The bars of a rank that take time, in order. */
function* chartBars(track: TimelineTrack): Generator<ChartBar> {
  for (const { action, startMs, endMs } of track)
    for (const bar of barsOf(action, startMs, endMs))
      if (bar.end > bar.start)
        yield { ...bar, isPairedForward: action.kind === "OVERLAP_F_B" && bar.kind === "F" };
}

/** A row with the name of each computation; a line fills the rest of it, and "+" joins a pair. */
function nameTrack(
  track: TimelineTrack,
  nameOf: (bar: Bar) => string,
  columnsPerTime: number,
  width: number,
): string {
  let line = "";
  let column = 0;
  for (const bar of chartBars(track)) {
    const [start, end] = [bar.start, bar.end].map((time) => Math.round(time * columnsPerTime)) as [
      number,
      number,
    ];
    const separator = bar.isPairedForward ? "+" : end < width ? " " : "";
    line += idle(start - column) + PAINT[bar.kind](nameOf(bar).padEnd(end - start - 1, "─") + separator);
    column = end;
  }
  return line + idle(width - column);
}

/**
 * A row with a letter for each column: a kind that runs in it, in small letters on the way back to the first rank. Of
 * several, the one is shown that the columns before have shown too rarely, so that each has its share of the row. The
 * longest, or what runs in the middle, would be the same in all columns where those are as wide as a period of the
 * schedule.
 */
function sliceTrack(track: TimelineTrack, rows: ChartRows, columnsPerTime: number, width: number): string {
  const bars = [...chartBars(track)];
  // The columns that each letter should have had by now, less those that it had.
  const owed = new Map<string, number>();
  let line = "";
  let next = 0;
  for (let column = 0; column < width; column++) {
    const inside = new Map<string, number>();
    let idleShare = 1;
    for (let index = next; index < bars.length; index++) {
      const bar = bars[index]!;
      const [start, end] = [bar.start * columnsPerTime, bar.end * columnsPerTime];
      if (start >= column + 1) break;
      if (end <= column + 1) next = index + 1;
      const share = Math.min(end, column + 1) - Math.max(start, column);
      const letter = rows.directionOf(bar.stage, bar.microBatch) === 0 ? bar.kind : bar.kind.toLowerCase();
      inside.set(letter, (inside.get(letter) ?? 0) + share);
      idleShare -= share;
    }
    if (idleShare > 1e-6) inside.set("·", idleShare);
    for (const [letter, share] of inside) owed.set(letter, (owed.get(letter) ?? 0) + share);
    const [shown] = [...inside.keys()].sort((a, b) => owed.get(b)! - owed.get(a)!);
    owed.set(shown!, owed.get(shown!)! - 1);
    line += paintLetter(shown!);
  }
  return line;
}

function paintLetter(letter: string): string {
  const kind = KINDS.find((each) => each === letter.toUpperCase());
  return kind === undefined ? idle(1) : PAINT[kind](letter);
}

function idle(numColumns: number): string {
  return numColumns > 0 ? pc.dim("·".repeat(numColumns)) : "";
}

/** Ticks with their times, none of which goes over the edge. */
function drawAxis(makespan: number, columnsPerTime: number, room: number): string {
  let line = "";
  for (const { time, label } of ticksOf(makespan, (makespan * columnsPerTime) / TICK_COLUMNS)) {
    const column = Math.round(time * columnsPerTime);
    if (column + label.length + 1 <= room) line = `${line.padEnd(column)}|${label}`;
  }
  return line;
}

function kindsInWords({ kinds }: Facts): string {
  return KINDS.filter((kind) => kinds.has(kind))
    .map((kind) => `${kind} ${KIND_IN_WORDS[kind]}`)
    .join(", ");
}

function namedLegend(facts: Facts, rows: ChartRows): string[] {
  const { example, nameOf, hasPairs } = facts;
  if (example === undefined) return [];
  const stage = rows.hasSeveralStages ? `stage ${example.stage}, ` : "";
  return [
    `${nameOf(example)}: ${stage}${KIND_IN_WORDS[example.kind]}, micro-batch ${example.microBatch}; ` +
      `${hasPairs ? "+ joins an overlapped pair, " : ""}· is idle`,
    kindsInWords(facts),
    rows.isPlain
      ? "each rank has the stage of its own number"
      : "the stages of a rank: ↓ from the first rank to the last, ↑ from the last to the first",
  ];
}

function slicedLegend(facts: Facts, rows: ChartRows, timePerColumn: number, namedWidth: number): string[] {
  return [
    `${kindsInWords(facts)}, · idle`,
    `a column is ${Number(timePerColumn.toPrecision(3))} of time and has one of the kinds in it, each by its share`,
    ...(rows.hasBothDirections
      ? ["capitals: ↓ from the first rank to the last; small letters: ↑ from the last to the first"]
      : []),
    `stages and micro-batches would need ${namedWidth} columns; --csv and --json name them`,
  ];
}

/** The widest chart where there is no terminal; lines have to end somewhere. */
const MAX_COLUMNS_OF_FILE = 2000;

/** The largest chart that the terminal, or the file, has room for. */
export function chartLimits(): GanttOptions {
  const given = Number(readEnvironment().COLUMNS);
  const columns = process.stdout.isTTY
    ? process.stdout.columns
    : given > 0 && Number.isSafeInteger(given)
      ? given
      : MAX_COLUMNS_OF_FILE;
  return { maxWidth: columns, maxRanks: 64 };
}

/** The sizes of a program, such as "4 ranks, 4 stages, 8 micro-batches". */
export function sizesInWords({ numRanks, numStages, numMicroBatches }: Program): string {
  return [
    counted(numRanks, "rank"),
    counted(numStages, "stage"),
    counted(numMicroBatches, "micro-batch"),
  ].join(", ");
}

/** How a step's time was counted, because `schedule` and `simulate` differ in it. */
export function countingInWords(isWhole: boolean): string {
  return pc.dim(
    isWhole
      ? "counted as in papers: values leave a computation at its end (the engine sends earlier: dualpipe simulate)"
      : "counted as the engine runs: values leave a pair or a B in its middle (as in papers: --whole)",
  );
}
