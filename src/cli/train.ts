/*
 * `dualpipe train`: a run from a config file, with its ranks in this process or in several.
 *
 * A run must survive what happens to a long job: SIGTERM, a closed terminal and Ctrl-C end it with a checkpoint where
 * one is of use, and at once when pressed again. With several processes, each gets the signals, in any order, and they
 * must stop after the same step. So only process 0 decides; the others pass their signals on to it.
 */
import { Command, Option } from "commander";
import { readEnvironment } from "../errors/environment.ts";
import { EXIT_STATUS } from "../launch/exit-status.ts";
import { type ProcessPlacement, processPlacement, SECRET_VARIABLE } from "../launch/process-placement.ts";
import { CheckpointRequests } from "../trainer/checkpoint/requests.ts";
import { loadConfig, numRanks, type TrainConfig } from "../trainer/config/config.ts";
import { TrainingStopped } from "../trainer/coordinator.ts";
import { Participant } from "../trainer/participant.ts";
import { bubbleInWords } from "../trainer/report/bubble.ts";
import { type TrainSummary, train } from "../trainer/train.ts";
import { catchInterrupt, type StopSignal } from "./interrupt.ts";
import { wholeNumber } from "./usage.ts";

interface TrainCommandOptions {
  readonly set: readonly string[];
  readonly profile?: string;
  readonly resume?: true;
  readonly overwrite?: true;
  readonly studio?: true | number;
}

/** `dualpipe train CONFIG.yaml`. */
export function trainCommand(): Command {
  return new Command("train")
    .description(
      "Train a model as a config file says, on pipeline ranks that are threads of this process, or of several processes that a launcher starts.",
    )
    .argument("<config>", "a YAML file; `npx dualpipe init` writes one that explains every key")
    .option(
      "--set <key=value>",
      "override a key, such as training.steps=100; repeatable, the last one wins",
      (value: string, before: readonly string[]) => [...before, value],
      [],
    )
    .option("--resume", "continue from the newest checkpoint in output.dir; start over if there is none")
    .addOption(
      new Option("--overwrite", "replace an earlier run in output.dir; without it a run refuses").conflicts(
        "resume",
      ),
    )
    .option("--profile <file>", "write the times of the last steps' computations, for simulate and plan")
    .option(
      "--studio [port]",
      "serve a page that follows the run, on loopback; any free port unless one is given",
      wholeNumber,
    )
    .addHelpText(
      "after",
      "\nSIGUSR1 writes a checkpoint; SIGTERM and, without nohup, SIGHUP (a closed terminal) write one and end the run. Ctrl-C does too if checkpoint.everySteps is over 0, and pressed again ends the run at once.",
    )
    .action(runTrain);
}

async function runTrain(path: string, options: TrainCommandOptions): Promise<void> {
  const { set, profile, resume, overwrite } = options;
  const config = await loadConfig(path, set);
  const processes = await processPlacement(numRanks(config.pipeline));
  if (processes && processes.process > 0) return joinAsProcess(config, processes);
  if (processes) warnOfPublicSecret(processes);
  const requests = new CheckpointRequests();
  using interrupt = catchInterrupt(undefined, (signal) => {
    const stops = endsWithCheckpoint(signal, config) && requests.request("stop");
    if (stops && signal === "SIGINT")
      process.stderr.write("\ndualpipe: stopping after a checkpoint; Ctrl-C again ends the run without\n");
    return stops;
  });
  const requestCheckpoint = () => {
    requests.request("goOn");
  };
  process.on("SIGUSR1", requestCheckpoint);
  const studio = options.studio === undefined ? undefined : await import("./studio/follow-run.ts");
  const live = await studio?.followRun(config, options.studio === true ? 0 : options.studio!);
  try {
    const summary = await train({
      config,
      output: process.stderr,
      signal: interrupt.signal,
      processes,
      // A launcher that restarts a run counts the restarts.
      resume: resume ?? Number(readEnvironment().TORCHELASTIC_RESTART_COUNT ?? 0) > 0,
      overwrite: overwrite ?? false,
      requests,
      profilePath: profile,
      listeners: live === undefined ? [] : [live.listener],
    });
    process.stdout.write(describeSummary(summary, config.pipeline.ranks));
  } catch (error) {
    // Ctrl-C was meant to end the run, so that is no failure to explain.
    interrupt.signal.throwIfAborted();
    if (!(error instanceof TrainingStopped)) throw error;
    process.stderr.write(`${error.message}\n`);
    // The signal that stopped the run may have been another process's.
    process.exitCode ??= EXIT_STATUS.terminated;
  } finally {
    live?.close();
    process.off("SIGUSR1", requestCheckpoint);
  }
}

/** Whether a signal asks for a checkpoint; Ctrl-C only does where checkpoints are written anyway. */
function endsWithCheckpoint(signal: StopSignal, { checkpoint }: TrainConfig): boolean {
  return signal !== "SIGINT" || checkpoint.everySteps > 0;
}

/** Warns of who can join a run that was given no secret: on one host its programs, and otherwise other hosts too. */
function warnOfPublicSecret({ hub, secret, masterAddress, masterPort, ...own }: ProcessPlacement): void {
  const address = own.address ?? masterAddress;
  if (hub !== "process 0" || secret !== undefined) return;
  const who = isLoopback(address)
    ? "any program of any user of this host"
    : `anyone who can reach ${address}:${masterPort}`;
  const remedy = "set it to the same secret for all processes, or start them with dualpipe launch";
  process.stderr.write(`dualpipe: ${SECRET_VARIABLE} is not set: ${who} can join this run; ${remedy}\n`);
}

function isLoopback(address: string): boolean {
  return address.startsWith("127.") || address === "localhost" || address === "::1";
}

/**
 * Runs a process other than process 0. Signals to stop are passed on to process 0, which decides; SIGUSR1 reaches it
 * directly.
 */
async function joinAsProcess(config: TrainConfig, processes: ProcessPlacement): Promise<void> {
  const participant = new Participant(config, processes);
  const leaveToFirst = () => {};
  process.on("SIGUSR1", leaveToFirst);
  using interrupt = catchInterrupt(
    undefined,
    (signal) => endsWithCheckpoint(signal, config) && participant.requestStop(),
  );
  try {
    await participant.run(interrupt.signal);
  } catch (error) {
    interrupt.signal.throwIfAborted();
    throw error;
  } finally {
    process.off("SIGUSR1", leaveToFirst);
  }
}

function describeSummary(
  { validationLoss, unigramLoss, bubble, sample, files }: TrainSummary,
  ranks: number,
): string {
  const width = Math.max(...Object.keys(files).map((what) => what.length));
  return [
    "",
    ...(validationLoss === undefined
      ? []
      : [
          `validation loss ${validationLoss.toFixed(3)}, against ${unigramLoss.toFixed(3)} of a unigram model of the same tokens`,
        ]),
    ...(bubble ? bubbleInWords(bubble, ranks) : []),
    "",
    sample.trim(),
    "",
    ...Object.entries(files).map(([what, path]) => `${what.padEnd(width)}  ${path}`),
    "",
  ].join("\n");
}
