import { Command } from "commander";
import { readEnvironment } from "../errors/environment.ts";
import { describeSystemError } from "../errors/system-error.ts";
import { EXIT_STATUS } from "../launch/exit-status.ts";
import { PACKAGE_VERSION } from "../launch/package-version.ts";
import { closeUnwantedDebugger } from "./debugger.ts";
import { describeFailure } from "./failure.ts";
import { endOnUncaught, exitOnInterrupt } from "./interrupt.ts";

interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  /** Imports the command's code, which the other commands do not wait for. */
  readonly load: () => Promise<Command>;
}

const COMMANDS: readonly CommandEntry[] = [
  {
    name: "init",
    summary: "write the files of a new project",
    load: async () => (await import("./init.ts")).initCommand(),
  },
  {
    name: "train",
    summary: "train a model as a config file says",
    load: async () => (await import("./train.ts")).trainCommand(),
  },
  {
    name: "launch",
    summary: "start processes that train together, on this host or on several",
    load: async () => (await import("./launch.ts")).launchCommand(),
  },
  {
    name: "generate",
    summary: "continue a text with a trained model",
    load: async () => (await import("./generate.ts")).generateCommand(),
  },
  {
    name: "export",
    summary: "write a trained model as one folder in the style of Hugging Face",
    load: async () => (await import("./export.ts")).exportCommand(),
  },
  {
    name: "schedule",
    summary: "show what every rank does in one step",
    load: async () => (await import("./schedules/schedule.ts")).scheduleCommand(),
  },
  {
    name: "verify",
    summary: "check that a schedule's program is complete, in order and free of deadlocks",
    load: async () => (await import("./schedules/verify.ts")).verifyCommand(),
  },
  {
    name: "simulate",
    summary: "predict the time, the bubbles and the activations of one step",
    load: async () => (await import("./schedules/simulate.ts")).simulateCommand(),
  },
  {
    name: "plan",
    summary: "find the fastest way to train a model on given devices",
    load: async () => (await import("./schedules/plan.ts")).planCommand(),
  },
  {
    name: "studio",
    summary: "open a page that draws, compares and explains schedules",
    load: async () => (await import("./studio/studio.ts")).studioCommand(),
  },
  {
    name: "doctor",
    summary: "show what dualpipe found on this machine, what is missing and how to fix it",
    load: async () => (await import("./doctor.ts")).doctorCommand(),
  },
];

/** Runs one command line and returns the exit status. */
export async function runCli(args: readonly string[]): Promise<number> {
  closeUnwantedDebugger();
  exitOnInterrupt();
  endOnUncaught();
  handleClosedOutputs();
  try {
    const wanted = wantedCommand(args);
    const program = await makeProgram(wanted);
    // With `--help` or `help` commander would show its own help instead of an unknown command.
    const isUnknown = wanted !== undefined && program.commands.every((command) => command.name() !== wanted);
    await program.parseAsync(isUnknown && wanted !== "help" ? [wanted] : args, { from: "user" });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    const failure = describeFailure(error, readEnvironment().DUALPIPE_DEBUG !== undefined);
    if (failure.text !== "") process.stderr.write(`${failure.text}\n`);
    // The signal has set its own status, which tells SIGTERM from SIGINT.
    return failure.isInterrupt ? Number(process.exitCode ?? failure.exitCode) : failure.exitCode;
  }
}

/** The name of the command that is to be run, or whose help is to be shown. */
function wantedCommand(args: readonly string[]): string | undefined {
  return args[0] === "help" ? args[1] : args.find((arg) => !arg.startsWith("-"));
}

/** @param wanted The command whose code is loaded. */
async function makeProgram(wanted: string | undefined): Promise<Command> {
  const program = new Command("dualpipe")
    .description("Train neural networks across devices with DualPipe, the bidirectional pipeline schedule.")
    .version(PACKAGE_VERSION)
    .exitOverride()
    // What follows the program of `launch` is that program's.
    .enablePositionalOptions()
    .configureOutput({
      outputError: (text, write) => write(text.replace(/^error: /, "dualpipe: ").replace("\n(", " (")),
    })
    .showSuggestionAfterError()
    .addHelpText(
      "after",
      "\nExit status: 0 done, 1 error, 2 wrong usage, 3 a rank failed, 4 a timeout, 129 hung up, 130 interrupted, 143 terminated. DUALPIPE_DEBUG=1 adds stacks to errors.",
    );
  for (const { name, summary, load } of COMMANDS) {
    const command = name === wanted ? await load() : new Command(name);
    program.addCommand(command.summary(summary).copyInheritedSettings(program));
  }
  return program;
}

/**
 * Ends when the standard output takes no more. `dualpipe schedule ... | head` closes the pipe before everything is
 * written, which is no error; a full disk is one. What cannot be shown on the standard error is lost: the terminal may
 * have been closed while a run goes on to its last checkpoint.
 */
function handleClosedOutputs(): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(EXIT_STATUS.done);
    process.stderr.write(`dualpipe: the standard output cannot be written: ${describeSystemError(error)}\n`);
    process.exit(EXIT_STATUS.error);
  });
  process.stderr.on("error", () => {});
}
