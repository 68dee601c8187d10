// Programs without an author: named schedules whose lines were changed at random, among them those that still verify.
import {
  buildProgram,
  formatProgramCsv,
  lower,
  nearestAllowed,
  parseProgramCsv,
  ScheduleError,
  schedules,
  verify,
} from "../../src/schedule/index.ts";
import { RandomNumbers } from "../faults/random-numbers.ts";

export interface Mutants {
  /** The programs that verify, as CSV, all different and none a named schedule's. */
  readonly sound: readonly string[];
  /** How many others were made, which cannot be read or do not verify. */
  readonly numRefused: number;
}

type Row = string[];

/** Changes one line; returns false where that change is not possible. */
const MUTATIONS: readonly ((row: Row, random: RandomNumbers) => boolean)[] = [
  function swapNeighbours(row, random) {
    const at = random.below(row.length - 1);
    [row[at], row[at + 1]] = [row[at + 1]!, row[at]!];
    return row[at] !== row[at + 1];
  },
  function moveOne(row, random) {
    const from = random.below(row.length);
    const to = Math.min(row.length - 1, Math.max(0, from + random.below(13) - 6));
    const [moved] = row.splice(from, 1);
    row.splice(to, 0, moved!);
    return from !== to;
  },
  function swapTransfers(row, random) {
    const places = row.flatMap((action, i) => (/SEND|RECV/.test(action) ? [i] : []));
    if (places.length < 2) return false;
    const [a, b] = [random.pick(places), random.pick(places)];
    [row[a], row[b]] = [row[b]!, row[a]!];
    return a !== b;
  },
  function splitBackward(row, random) {
    const places = row.flatMap((action, i) => (/^\d+B\d+$/.test(action) ? [i] : []));
    if (places.length === 0) return false;
    const at = random.pick(places);
    const whole = row[at]!;
    row[at] = whole.replace("B", "I");
    row.splice(at + 1 + random.below(row.length - at), 0, whole.replace("B", "W"));
    return true;
  },
  function dissolvePair(row, random) {
    const places = row.flatMap((action, i) => (action.includes(";") ? [i] : []));
    if (places.length === 0) return false;
    const at = random.pick(places);
    const [, forward, backward] = /^\((.*);(.*)\)/.exec(row[at]!)!;
    row.splice(at, 1, forward!, backward!);
    return true;
  },
  function makePair(row, random) {
    const places = row.flatMap((action, i) =>
      /^\d+F\d+$/.test(action) && /^\d+B\d+$/.test(row[i + 1] ?? "") ? [i] : [],
    );
    if (places.length === 0) return false;
    const at = random.pick(places);
    row.splice(at, 2, `(${row[at]};${row[at + 1]})OVERLAP_F_B`);
    return true;
  },
];

/** Mutants of every named schedule on a number of ranks. */
export function mutantsOf(numRanks: number, numSound: number, seed: number): Mutants {
  const random = new RandomNumbers(seed);
  const originals = schedules
    .filter(({ constraints }) => numRanks % (constraints.ranks.multipleOf ?? 1) === 0)
    .map(({ name, constraints }) => {
      const numMicroBatches = nearestAllowed(constraints.microBatches, 2 * numRanks, numRanks);
      return formatProgramCsv(lower(buildProgram(name, { numRanks, numMicroBatches })));
    });
  const sound = new Set<string>();
  const seen = new Set(originals);
  let numRefused = 0;
  while (sound.size < numSound) {
    const text = mutate(random.pick(originals), random);
    if (seen.has(text)) continue;
    seen.add(text);
    if (isSound(text)) sound.add(text);
    else numRefused++;
  }
  return { sound: [...sound], numRefused };
}

function mutate(text: string, random: RandomNumbers): string {
  const rows = text
    .trimEnd()
    .split("\r\n")
    .map((line) => splitCells(line));
  for (let left = 1 + random.below(4); left > 0; )
    if (random.pick(MUTATIONS)(random.pick(rows), random)) left--;
  return rows.map((row) => `${row.join(",")}\r\n`).join("");
}

function splitCells(line: string): Row {
  return line.split(",");
}

function isSound(text: string): boolean {
  try {
    return verify(parseProgramCsv(text)).problems.length === 0;
  } catch (error) {
    if (error instanceof ScheduleError) return false;
    throw error;
  }
}
