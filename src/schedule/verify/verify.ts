/**
 * Decides whether a program can be run: everything that the engine relies on, in one place.
 *
 * Executors and simulators stay simple because they never check: they may assume that each action stands once, on the
 * right rank, after what it needs; that the n-th receive of a channel is for the n-th send; and that no ranks wait for
 * each other in a cycle. Three passes prove these in this order, and each relies on the one before:
 *
 * 1. actions.ts looks at each rank alone;
 * 2. channels.ts compares the two ends of each channel, whose sends and receives are complete by now;
 * 3. progress.ts runs all ranks together, with values by name, because channels deliver the right ones.
 *
 * A program that passes with sends that wait for their receive also passes with sends that do not.
 *
 * NCCL delivers values through the queues of its communicators; nccl/queues.ts then stands in place of the third pass.
 */
import { checkedOptions, OptionError } from "../../errors/option-error.ts";
import { closestName, didYouMean } from "../../errors/suggestion.ts";
import { Cells } from "../program/cells.ts";
import { peakActivations } from "../program/peak-activations.ts";
import type { Program } from "../program/program.ts";
import { ScheduleError } from "../program/schedule-error.ts";
import { ActionCheck } from "./actions.ts";
import { channelProblems } from "./channels.ts";
import { COMMUNICATORS, type Communicators } from "./nccl/communicators.ts";
import { checkNccl } from "./nccl/nccl.ts";
import { ownRules } from "./nccl/postings.ts";
import type { BlockedTransfer } from "./nccl/queues.ts";
import { formatProblem, type Problem } from "./problem.ts";
import { ProgressCheck, SEND_MODELS, type SendModel } from "./progress.ts";

/**
 * What carries values from rank to rank. `mailbox`: a FIFO channel for each directed edge and kind of value, as between
 * the ranks of this engine. `nccl`: the queues of NCCL's communicators, in which every transfer waits for those before.
 */
export type VerifiedTransport = "mailbox" | "nccl";

export interface VerifyOptions {
  /** `mailbox` unless given. */
  readonly transport?: VerifiedTransport | undefined;
  /** `rendezvous`, the stricter one, unless given; for mailboxes only, because NCCL never stops a rank in a send. */
  readonly sends?: SendModel | undefined;
  /** What shares a communicator of NCCL; `edge-and-kind` unless given. */
  readonly communicators?: Communicators | undefined;
  /** The number of problems after which checking stops; 10 unless given. */
  readonly maxProblems?: number | undefined;
}

const OPTIONS = ["transport", "sends", "communicators", "maxProblems"] as const;
const TRANSPORTS: readonly VerifiedTransport[] = ["mailbox", "nccl"];

export interface Verification {
  /** Empty when the program can be run. */
  readonly problems: readonly Problem[];
  /**
   * Transfers that can be ready and yet wait behind one that is not, in a queue of NCCL. They cost time and do no other
   * harm. Empty for mailboxes, in which nothing waits for another channel, and for programs that cannot be run.
   */
  readonly blocked: readonly BlockedTransfer[];
  /** The most activations that each rank holds, in micro-batches of one stage. */
  readonly peakActivations: readonly number[];
}

/**
 * Checks that a program is complete, in order, and cannot deadlock where every directed edge has a FIFO channel for
 * activations and one for activation gradients. With `transport: "nccl"` it checks the queues of NCCL's communicators
 * in place of these channels, and also that no transfer is blocked behind another one.
 * @throws ScheduleError `INVALID_PROGRAM` for NCCL without communication in the program
 * @throws OptionError for an option that is unknown or does not fit the transport
 */
export function verify(program: Program, options: VerifyOptions = {}): Verification {
  const {
    transport,
    sends = "rendezvous",
    communicators = "edge-and-kind",
    maxProblems = 10,
  } = checked(options);
  if (transport === "nccl" && program.communication === "none") {
    throw new ScheduleError(
      "INVALID_PROGRAM",
      `program ${program.schedule}: only a lowered program communicates by NCCL; got computations only; lower it first`,
    );
  }
  const cells = new Cells(program);
  const actions = new ActionCheck(program, cells, maxProblems);
  actions.run();
  let { problems } = actions;
  let blocked: readonly BlockedTransfer[] = [];
  if (problems.length === 0 && program.communication !== "none") {
    problems = channelProblems(program, cells).slice(0, maxProblems);
  }
  if (problems.length === 0) {
    if (transport === "nccl") {
      const found = checkNccl(program, cells, ownRules(program, communicators));
      problems = found.problems.slice(0, maxProblems);
      blocked = found.blocked;
    } else problems = new ProgressCheck(program, cells, sends).run();
  }
  return { problems, blocked, peakActivations: peakActivations(program) };
}

function checked(options: VerifyOptions): VerifyOptions {
  const given = checkedOptions("verify", options, OPTIONS);
  const { transport = "mailbox", sends, communicators } = given;
  checkChoice("transport", transport, TRANSPORTS);
  if (sends !== undefined) checkChoice("sends", sends, SEND_MODELS);
  if (communicators !== undefined) checkChoice("communicators", communicators, COMMUNICATORS);
  if (transport === "nccl" && sends !== undefined) {
    throw new OptionError(
      `verify: sends is an option of the transport "mailbox"; got sends "${sends}" with "nccl", whose sends are ` +
        "rendezvous and never stop their rank; leave it out",
    );
  }
  if (transport === "mailbox" && communicators !== undefined) {
    throw new OptionError(
      `verify: communicators is an option of the transport "nccl"; got "${communicators}" with "mailbox"; ` +
        'add transport: "nccl", or leave it out',
    );
  }
  return given;
}

function checkChoice(option: string, value: string, choices: readonly string[]): void {
  if (choices.includes(value)) return;
  throw new OptionError(
    `verify: ${option} must be one of ${choices.join(", ")}; got ${value}${didYouMean(closestName(value, choices))}`,
  );
}

/** @throws ScheduleError `INVALID_PROGRAM` with the first problem and the actions around it */
export function assertVerified(program: Program, options: VerifyOptions = {}): void {
  const problem = verify(program, { ...options, maxProblems: 1 }).problems[0];
  if (problem === undefined) return;
  throw new ScheduleError("INVALID_PROGRAM", formatProblem(program, problem), { rank: problem.rank });
}
