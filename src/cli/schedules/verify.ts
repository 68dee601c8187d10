import { Command } from "commander";
import pc from "picocolors";
import { counted } from "../../errors/counted.ts";
import {
  COMMUNICATORS,
  type Communicators,
  countActions,
  formatBlocked,
  formatProblem,
  type Program,
  type SendModel,
  type Verification,
  type VerifiedTransport,
  verify,
} from "../../schedule/index.ts";
import { asUsage, choiceOf } from "../usage.ts";
import { sizesInWords } from "./gantt.ts";
import {
  type LoweringOptions,
  loadLowered,
  type ProgramOptions,
  withLoweringOptions,
  withProgramOptions,
} from "./program-options.ts";

interface VerifyCommandOptions extends ProgramOptions, LoweringOptions {
  readonly transport: VerifiedTransport;
  readonly sends?: SendModel;
  readonly communicators?: Communicators;
  readonly json?: true;
}

/** The number of blocked transfers that are listed; `--json` has all. */
const MAX_LISTED = 10;

const IN_WORDS: Readonly<Record<Communicators, string>> = {
  "edge-and-kind": "one communicator per directed edge and kind",
  edge: "one communicator per directed edge",
  pair: "one communicator per pair of ranks",
  world: "one communicator for all ranks",
};

/** `dualpipe verify` checks a program; its exit status is 1 when the program cannot be run. */
export function verifyCommand(): Command {
  const command = new Command("verify").description(
    "Check that a program is complete, in order and free of deadlocks, and on NCCL also of head-of-line blocking.",
  );
  return withLoweringOptions(withProgramOptions(command))
    .option(
      "--transport <transport>",
      "mailbox: a channel per directed edge and kind of value; nccl: the queues of NCCL's communicators",
      choiceOf(["mailbox", "nccl"] satisfies VerifiedTransport[]),
      "mailbox",
    )
    .option(
      "--sends <model>",
      "for mailboxes: a send stops its rank until the receive is posted (rendezvous), or does not (buffered) " +
        "(default: rendezvous)",
      choiceOf(["rendezvous", "buffered"] satisfies SendModel[]),
    )
    .option(
      "--communicators <sharing>",
      `for nccl: what has a communicator of its own, ${COMMUNICATORS.join(", ")} (default: edge-and-kind)`,
      choiceOf(COMMUNICATORS),
    )
    .option("--json", "print the findings as JSON")
    .action(runVerify);
}

function runVerify(name: string, options: VerifyCommandOptions): void {
  const program = loadLowered(name, options);
  const { transport, sends, communicators } = options;
  const found = asUsage(() => verify(program, { transport, sends, communicators }));
  if (found.problems.length > 0) process.exitCode = 1;
  process.stdout.write(options.json ? asJson(program, options, found) : inWords(program, options, found));
}

function asJson(program: Program, options: VerifyCommandOptions, found: Verification): string {
  const { schedule, numRanks, numStages, numMicroBatches, forwardOnly } = program;
  const { transport, sends = "rendezvous", communicators = "edge-and-kind" } = options;
  const { problems, blocked, peakActivations } = found;
  const findings = {
    schedule,
    ranks: numRanks,
    stages: numStages,
    microBatches: numMicroBatches,
    forwardOnly,
    transport,
    ...(transport === "nccl" ? { communicators } : { sends }),
    actions: countActions(program),
    ok: problems.length === 0,
    problems,
    ...(transport === "nccl"
      ? { blocked: blocked.map((each) => ({ ...each, message: formatBlocked(program, each) })) }
      : {}),
    peakActivations,
  };
  return `${JSON.stringify(findings)}\n`;
}

function inWords(program: Program, options: VerifyCommandOptions, found: Verification): string {
  const { problems, peakActivations } = found;
  if (problems.length > 0) return `${problems.map((each) => formatProblem(program, each)).join("\n")}\n`;
  return (
    `${pc.green("sound")}: ${program.schedule}, ${sizesInWords(program)}\n` +
    `  every action stands once and in order (${countActions(program)} with communication)\n` +
    transportInWords(program, options, found) +
    `  activations of at most ${counted(Math.max(...peakActivations), "micro-batch")} of a stage on a rank\n`
  );
}

function transportInWords(program: Program, options: VerifyCommandOptions, found: Verification): string {
  const { transport, sends = "rendezvous", communicators = "edge-and-kind" } = options;
  if (transport === "mailbox") {
    return `  no deadlock with ${sends} sends and one channel per directed edge and kind\n`;
  }
  const deadlock = `  no deadlock on NCCL with ${IN_WORDS[communicators]}\n`;
  const { blocked } = found;
  if (blocked.length === 0) return `${deadlock}  no head-of-line blocking, whatever the computations take\n`;
  const listed = blocked.slice(0, MAX_LISTED).map((each) => `    ${formatBlocked(program, each)}\n`);
  const numOthers = blocked.length - listed.length;
  return (
    `${deadlock}  ${pc.yellow("head-of-line blocking")}: ${blocked.length} of the sends and receives can be ready and wait ` +
    `behind one that is not\n${listed.join("")}` +
    (numOthers > 0 ? `    (and ${numOthers} more; --json has all)\n` : "")
  );
}
