import type { Cells } from "../../program/cells.ts";
import { flowOf } from "../../program/cells.ts";
import { isSend } from "../../program/opcode.ts";

/**
 * What shares one communicator of NCCL. `edge-and-kind`: the activations, or the gradients, from one rank to another.
 * `edge`: both of them. `pair`: everything between two ranks, in both directions, as with torch's `send` and `recv`.
 * `world`: everything, as with torch's `batch_isend_irecv`.
 */
export type Communicators = "edge-and-kind" | "edge" | "pair" | "world";

/** The choices of `Communicators`, from the most communicators to one. */
export const COMMUNICATORS: readonly Communicators[] = ["edge-and-kind", "edge", "pair", "world"];

/** The ranks between which a SEND or RECV of the cell moves its value. */
function edgeOf(cells: Cells, transfer: number, cell: number): { sender: number; receiver: number } {
  const [rank, peer] = [cells.rankOf(cell), cells.rankOf(cells.peerOf(transfer, cell))];
  return isSend(transfer) ? { sender: rank, receiver: peer } : { sender: peer, receiver: rank };
}

/** The number of the communicator that a SEND or RECV of the cell uses. */
export function communicatorOf(
  communicators: Communicators,
  cells: Cells,
  numRanks: number,
  transfer: number,
  cell: number,
): number {
  const { sender, receiver } = edgeOf(cells, transfer, cell);
  switch (communicators) {
    case "edge-and-kind":
      return ((flowOf(transfer) === "F" ? 0 : numRanks) + sender) * numRanks + receiver;
    case "edge":
      return sender * numRanks + receiver;
    case "pair":
      return Math.min(sender, receiver) * numRanks + Math.max(sender, receiver);
    case "world":
      return 0;
    default:
      return communicators satisfies never;
  }
}

/** The communicator in words, such as "the communicator of ranks 0 and 1". */
export function communicatorInWords(
  communicators: Communicators,
  cells: Cells,
  transfer: number,
  cell: number,
): string {
  const { sender, receiver } = edgeOf(cells, transfer, cell);
  switch (communicators) {
    case "edge-and-kind": {
      const kind = flowOf(transfer) === "F" ? "activations" : "gradients";
      return `the communicator of ${kind} from rank ${sender} to rank ${receiver}`;
    }
    case "edge":
      return `the communicator from rank ${sender} to rank ${receiver}`;
    case "pair":
      return `the communicator of ranks ${Math.min(sender, receiver)} and ${Math.max(sender, receiver)}`;
    case "world":
      return "the communicator of all ranks";
    default:
      return communicators satisfies never;
  }
}
