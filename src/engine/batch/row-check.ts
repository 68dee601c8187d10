// Inputs and labels of the same micro-batches, on different ranks.
//
// The rank of the first stage cuts the inputs into micro-batches, and the rank of the last stage cuts the labels. If
// these have another number of rows, they are cut into as many parts all the same, and a criterion that broadcasts
// compares the wrong rows without a word. Neither rank can see it alone.
//
// So the first tells the last how many rows it cuts, at the start of the step, and the last compares when it computes
// its first loss. By then the message is there, because it was sent before the first activations.
import { rankOf } from "../../schedule/program/placement.ts";
import type { Program } from "../../schedule/program/program.ts";
import type { ProcessGroup, Receipt } from "../../transport/process-group.ts";
import { TransportError } from "../../transport/transport-error.ts";
import { StepError } from "../errors/step-error.ts";

/** The micro-batches that enter at a rank and leave at another one, when all that enter or leave there do. */
interface Route {
  readonly from: number;
  readonly to: number;
}

/** What this rank cuts in a step. */
export interface CutRows {
  /** This rank, as messages call it. */
  readonly rank: number;
  /** Undefined when none of the tensors is cut. */
  readonly numInputRows: number | undefined;
  readonly numLabelRows: number | undefined;
}

export class RowCheck {
  readonly #rows: CutRows;
  readonly #receipts: Receipt[] = [];

  /**
   * Construct it at the start of a step, on every rank.
   * @param group The pipeline's.
   * @param step What all ranks call the step.
   */
  constructor(group: ProcessGroup, program: Program, step: string, rows: CutRows) {
    this.#rows = rows;
    for (const { from, to } of routesOf(program)) {
      if (from === group.rank) group.send(to, "control", [], labelOf(step, rows.numInputRows));
      if (to === group.rank)
        this.#receipts.push(group.receive(from, "control", labelOf(step, rows.numLabelRows)));
    }
  }

  /** Compares, at the first call. @throws StepError when inputs and labels do not fit together; TransportError */
  check(): void {
    for (const receipt of this.#receipts.splice(0))
      try {
        receipt.take();
      } catch (error) {
        throw this.#explain(error);
      }
  }

  #explain(error: unknown): unknown {
    if (!(error instanceof TransportError) || error.code !== "MISMATCHED_MESSAGE") return error;
    const [expected, received] = [error.expected, error.received].map((label) => label?.split(ROWS));
    if (expected?.[0] !== received?.[0]) return error;
    return new StepError(
      "INVALID_INPUT",
      { rank: this.#rows.rank },
      `labels: they have ${expected?.[1]} rows, and the inputs of the same micro-batches, on another rank, ${received?.[1]}; ` +
        "give both the same number of rows, and wrap a tensor that every micro-batch needs whole in sameForAll(...)",
      { cause: error },
    );
  }
}

const ROWS = ": a batch with rows: ";

/** An asterisk fits every number. The message has no tensors, so that no card waits for it. */
function labelOf(step: string, numRows: number | undefined): string {
  return `${step}${ROWS}${numRows ?? "*"}`;
}

function routesOf({ placement, numMicroBatches, numStages }: Program): Route[] {
  const first = Array.from({ length: numMicroBatches }, (_, each) => rankOf(placement, 0, each));
  const last = first.map((_, each) => rankOf(placement, numStages - 1, each));
  return [...new Set(first)].flatMap((from) => {
    const to = last[first.indexOf(from)]!;
    const isWhole = first.every((rank, each) => (rank === from) === (last[each] === to));
    return from !== to && isWhole ? [{ from, to }] : [];
  });
}
