import { type Action, type Communication, type Computation, formatAction, parseAction } from "./action.ts";
import { ActionList } from "./action-list.ts";
import type { Placement } from "./placement.ts";
import type { CommunicationMode, Program } from "./program.ts";
import { ScheduleError } from "./schedule-error.ts";

// torch.distributed.pipelining also writes actions of its sharded data parallelism, which a schedule does not have.
const SHARDING = /^\d+(UNSHARD|RESHARD|REDUCE_GRAD)\d*$/;

function fail(rule: string, given: string, remedy: string): never {
  throw new ScheduleError("INVALID_CSV", `csv: ${rule}; got ${given}; ${remedy}`);
}

function parseRow(line: string, rank: number): Action[] {
  const actions: Action[] = [];
  for (const [column, cell] of line.split(",").entries()) {
    const text = cell.trim().replace(/^"(.*)"$/, "$1");
    if (text === "" || SHARDING.test(text)) continue;
    try {
      actions.push(parseAction(text));
    } catch (error) {
      if (!(error instanceof ScheduleError)) throw error;
      throw new ScheduleError("INVALID_CSV", `csv: line ${rank + 1}, cell ${column + 1}: ${error.problem}`, {
        rank,
      });
    }
  }
  return actions;
}

function partsOf(action: Action): (Computation | Communication)[] {
  return action.kind === "OVERLAP_F_B" ? [action.forward, action.backward] : [action];
}

interface Shape {
  readonly numStages: number;
  readonly numMicroBatches: number;
  readonly forwardOnly: boolean;
  readonly communication: CommunicationMode;
}

function measure(rows: readonly Action[][]): Shape {
  let numStages = 0;
  let numMicroBatches = 0;
  let numForwards = 0;
  let hasBackwards = false;
  let communicates = false;
  for (const part of rows.flat().flatMap(partsOf)) {
    numStages = Math.max(numStages, part.stage + 1);
    numMicroBatches = Math.max(numMicroBatches, part.microBatch + 1);
    if (part.kind === "F") numForwards++;
    if (part.kind === "I" || part.kind === "B" || part.kind === "W") hasBackwards = true;
    if (part.kind.length > 1) communicates = true;
  }
  if (numForwards !== numStages * numMicroBatches || numForwards === 0) {
    fail(
      "every stage must have the forward of every micro-batch once",
      `${numForwards} forwards for stages up to ${numStages - 1} and micro-batches up to ${numMicroBatches - 1}`,
      "add or remove forwards",
    );
  }
  return {
    numStages,
    numMicroBatches,
    forwardOnly: !hasBackwards,
    // A single rank has nothing to send.
    communication: communicates || rows.length === 1 ? "eager" : "none",
  };
}

/** The ranks on which the file runs each stage's forwards; micro-batches that pass the same ranks share a direction. */
function placementOf(rows: readonly Action[][], { numStages, numMicroBatches }: Shape): Placement {
  // The ranks that a micro-batch passes lie next to each other.
  const rankOfForward = new Uint32Array(numMicroBatches * numStages);
  for (const [rank, row] of rows.entries()) {
    for (const { kind, stage, microBatch } of row.flatMap(partsOf)) {
      if (kind === "F") rankOfForward[microBatch * numStages + stage] = rank;
    }
  }
  const directions = new Map<string, number>();
  const rankOfStage: Uint32Array[] = [];
  const directionOfMicroBatch = Uint16Array.from({ length: numMicroBatches }, (_, microBatch) => {
    const ranks = rankOfForward.slice(microBatch * numStages, (microBatch + 1) * numStages);
    const key = ranks.join();
    const known = directions.get(key);
    if (known !== undefined) return known;
    directions.set(key, rankOfStage.length);
    rankOfStage.push(ranks);
    return rankOfStage.length - 1;
  });
  if (rankOfStage.length > 2 ** 16) {
    fail(
      "micro-batches must pass the ranks in at most 65536 different ways",
      `${rankOfStage.length}`,
      "use fewer",
    );
  }
  return { numRanks: rows.length, numStages, directionOfMicroBatch, rankOfStage };
}

/**
 * Reads a program as torch.distributed.pipelining writes it: a line for each rank, a cell for each action, empty
 * cells for idle time. The number of stages and micro-batches and the placement come from the forwards. The program
 * is not verified yet.
 * @throws ScheduleError `INVALID_CSV` with the line and the cell
 */
export function parseProgramCsv(text: string, schedule = "custom"): Program {
  const lines = text.replace(/^\uFEFF/, "").split(/\r\n|\r|\n/);
  while (lines.length > 0 && lines.at(-1)!.trim() === "") lines.pop();
  const rows = lines.map(parseRow);
  const empty = rows.findIndex((row) => row.length === 0);
  if (empty >= 0)
    fail("each line is a rank with its actions", `none in line ${empty + 1}`, "remove the line");
  const shape = measure(rows);
  return {
    schedule,
    numRanks: rows.length,
    ...shape,
    placement: placementOf(rows, shape),
    ranks: rows.map((row) => ActionList.from(row, shape.numMicroBatches)),
  };
}

/** Writes a program in the format that `parseProgramCsv` and torch.distributed.pipelining read. */
export function formatProgramCsv({ ranks }: Pick<Program, "ranks">): string {
  return ranks.map((actions) => `${Array.from(actions, formatAction).join(",")}\r\n`).join("");
}
