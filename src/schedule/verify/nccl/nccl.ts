import type { Cells } from "../../program/cells.ts";
import type { Program } from "../../program/program.ts";
import { type ActionLocation, nameAction, type Problem } from "../problem.ts";
import { communicatorInWords } from "./communicators.ts";
import { type PostingRules, Postings, wrongPartners } from "./postings.ts";
import { type BlockedTransfer, QueueCheck, type Wait } from "./queues.ts";

interface NcclFindings {
  readonly problems: Problem[];
  readonly blocked: readonly BlockedTransfer[];
}

/**
 * What goes wrong when a program communicates by NCCL. Its actions must be complete and in order.
 * @param rules How its runtime posts transfers.
 */
export function checkNccl(program: Program, cells: Cells, rules: PostingRules): NcclFindings {
  const postings = new Postings(program, cells, rules);
  const problems = wrongPartners(postings).map(({ rank, actionIndex, sent }): Problem => {
    const communicator = inWords(postings, { rank, actionIndex });
    return {
      code: "channel-order",
      rank,
      actionIndex,
      message:
        `program ${program.schedule}: NCCL has no tags, so receives must be posted in the order of the sends of their ` +
        `communicator; rank ${rank} posts ${nameAction(program, { rank, actionIndex })} to ${communicator} where rank ` +
        `${sent.rank} posts ${nameAction(program, sent)}; swap one of them, or use more communicators`,
    };
  });
  if (problems.length > 0) return { problems, blocked: [] };
  const check = new QueueCheck(postings);
  const waits = check.run();
  if (waits.length > 0) return { problems: [deadlock(postings, waits)], blocked: [] };
  return { problems: [], blocked: check.blocked };
}

function inWords({ program, cells, rules }: Postings, { rank, actionIndex }: ActionLocation): string {
  const communicators = rules.communicatorsOf(rank, actionIndex);
  const actions = program.ranks[rank]!;
  return communicatorInWords(
    communicators,
    cells,
    actions.opcodes[actionIndex]!,
    actions.cells[actionIndex]!,
  );
}

function deadlock(postings: Postings, waits: readonly Wait[]): Problem {
  const { program } = postings;
  const steps = joinChains(waits);
  const story = steps.map(({ waiter, cause, why }) => {
    const [name, of] = [nameAction(program, waiter), nameAction(program, cause)];
    const where = `rank ${waiter.rank} at ${name} (action ${waiter.actionIndex})`;
    switch (why) {
      case "order":
        return `${where} must do ${of} first`;
      case "queue":
        return `${where} stands behind ${of} in the queue of ${inWords(postings, waiter)}`;
      case "partner":
        return `${where} waits for ${of} of rank ${cause.rank}`;
      case "need":
        return `${where} needs ${of}`;
      default:
        return why satisfies never;
    }
  });
  const cycle = steps.map(({ waiter }) => waiter);
  return {
    code: "deadlock",
    ...cycle[0]!,
    cycle,
    message:
      `program ${program.schedule}: no transfers of NCCL may wait for each other in a cycle; ${story.join("; ")}; ` +
      "move one of these actions, or use more communicators",
  };
}

/** The waits, with one in place of several along a rank's list or a queue. */
function joinChains(waits: readonly Wait[]): Wait[] {
  const isLink = (wait: Wait) => wait.why === "order" || wait.why === "queue";
  const start = waits.findIndex((wait) => !isLink(wait));
  const joined: Wait[] = [];
  for (const wait of [...waits.slice(start), ...waits.slice(0, start)]) {
    const last = joined.at(-1);
    if (last?.why === wait.why && isLink(wait)) joined[joined.length - 1] = { ...last, cause: wait.cause };
    else joined.push(wait);
  }
  return joined;
}

/** A blocked transfer in words, with what it stands behind. */
export function formatBlocked(program: Program, blocked: BlockedTransfer): string {
  const { rank, partner, behind, late } = blocked;
  const name = (location: ActionLocation) => nameAction(program, location);
  return (
    `rank ${rank}: ${name(blocked)} stands behind ${name(behind)}; ${name(partner)} of rank ${partner.rank} can be ready ` +
    `before ${name(late)} of rank ${late.rank} is`
  );
}
