import { Command } from "commander";
import pc from "picocolors";
import { counted } from "../../errors/counted.ts";
import { countActions, formatProblem, type SendModel, verify } from "../../schedule/index.ts";
import { choiceOf } from "../usage.ts";
import { sizesInWords } from "./gantt.ts";
import {
  type LoweringOptions,
  loadLowered,
  type ProgramOptions,
  withLoweringOptions,
  withProgramOptions,
} from "./program-options.ts";

interface VerifyCommandOptions extends ProgramOptions, LoweringOptions {
  readonly sends: SendModel;
  readonly json?: true;
}

/** `dualpipe verify` checks a program; its exit status is 1 when the program cannot be run. */
export function verifyCommand(): Command {
  const command = new Command("verify").description(
    "Check that a program is complete, in order and free of deadlocks.",
  );
  return withLoweringOptions(withProgramOptions(command))
    .option(
      "--sends <model>",
      "rendezvous: a send stops its rank until the receive is posted; buffered: it does not",
      choiceOf(["rendezvous", "buffered"] satisfies SendModel[]),
      "rendezvous",
    )
    .option("--json", "print the findings as JSON")
    .action(runVerify);
}

function runVerify(name: string, options: VerifyCommandOptions): void {
  const program = loadLowered(name, options);
  const { problems, peakActivations } = verify(program, { sends: options.sends });
  const { schedule, numRanks, numStages, numMicroBatches } = program;
  if (problems.length > 0) process.exitCode = 1;
  if (options.json) {
    const findings = {
      schedule,
      ranks: numRanks,
      stages: numStages,
      microBatches: numMicroBatches,
      forwardOnly: program.forwardOnly,
      sends: options.sends,
      actions: countActions(program),
      ok: problems.length === 0,
      problems,
      peakActivations,
    };
    process.stdout.write(`${JSON.stringify(findings)}\n`);
    return;
  }
  if (problems.length > 0) {
    process.stdout.write(`${problems.map((problem) => formatProblem(program, problem)).join("\n")}\n`);
    return;
  }
  process.stdout.write(
    `${pc.green("sound")}: ${schedule}, ${sizesInWords(program)}\n` +
      `  every action stands once and in order (${countActions(program)} with communication)\n` +
      `  no deadlock with ${options.sends} sends and one channel per directed edge and kind\n` +
      `  activations of at most ${counted(Math.max(...peakActivations), "micro-batch")} of a stage on a rank\n`,
  );
}
