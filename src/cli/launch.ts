/**
 * `dualpipe launch`: torchrun's options for our launcher.
 *
 * A script for a cluster already sets torchrun's options or its PET_* variables. Options with names of our own would
 * make every such script wrong, so the names, the variables and their precedence (an option beats its variable) are
 * torchrun's, down to "node" for what the rest of the code calls a host. This file translates them into LaunchOptions
 * and converts seconds into milliseconds; launch.ts never sees a variable of the environment.
 *
 * What can be checked once is checked here, before anything starts: every process would report a program that does not
 * exist, and would report it again after each restart. The exit status of a process decides whether a restart may help.
 * A config runs our own `train`, whose statuses have meanings, and a user error would only repeat itself. Status 1 of a
 * script may mean anything, so the script is restarted.
 */

import { statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Command, InvalidArgumentError, Option } from "commander";
import { MAX_DURATION_SECONDS } from "../errors/duration.ts";
import { readEnvironment } from "../errors/environment.ts";
import { EXIT_STATUS } from "../launch/exit-status.ts";
import { launch } from "../launch/launcher/launch.ts";
import { StopSignals } from "../launch/launcher/stop-signals.ts";
import { DEFAULT_MASTER_PORT } from "../launch/launcher-variables.ts";
import { ADDRESS_VARIABLE, publicSecret, SECRET_VARIABLE } from "../launch/process-placement.ts";
import { wasStartedByNohup } from "./nohup.ts";
import { numProcessesFor, type ProcessCount, processCount } from "./process-count.ts";
import { orVariable, UsageError } from "./usage.ts";

interface LaunchCommandOptions {
  readonly nprocPerNode: ProcessCount;
  readonly nnodes: number;
  readonly nodeRank: number;
  readonly masterAddr?: string;
  readonly masterPort: number;
  readonly maxRestarts: number;
  readonly meetTimeout: number;
  readonly silenceTimeout: number;
}

const LOOPBACK = "127.0.0.1";

/** `dualpipe launch CONFIG.yaml` or `dualpipe launch SCRIPT.js`. */
export function launchCommand(): Command {
  return new Command("launch")
    .description(
      "Start this host's processes with torchrun's variables. A config is trained with its ranks spread evenly over the processes; a script runs in every process.",
    )
    .argument("<program>", "a YAML config, or a script for Node")
    .argument("[args...]", "options and arguments for train or the script")
    .allowUnknownOption()
    .passThroughOptions()
    .addOption(
      orVariable(
        new Option("--nproc-per-node <n>", "processes on this host, or auto, gpu, cpu as for torchrun"),
        "PET_NPROC_PER_NODE",
      )
        .argParser(processCount)
        .default(1),
    )
    .addOption(
      orVariable(new Option("--nnodes <n>", "hosts of the run; dualpipe launch runs on each"), "PET_NNODES")
        .argParser(hostCount)
        .default(1),
    )
    .addOption(count("--node-rank <n>", "index of this host, from 0", "PET_NODE_RANK", 0).default(0))
    .addOption(
      orVariable(
        new Option("--master-addr <address>", `address of host 0; ${LOOPBACK} with one host`),
        "PET_MASTER_ADDR",
      ).argParser(nonEmpty),
    )
    .addOption(
      count(
        "--master-port <port>",
        "port of host 0 where the launchers of several hosts find one another",
        "PET_MASTER_PORT",
        1,
        65_535,
      ).default(DEFAULT_MASTER_PORT),
    )
    .addOption(
      count(
        "--max-restarts <n>",
        "how often all processes are restarted when one fails",
        "PET_MAX_RESTARTS",
        0,
      ).default(0),
    )
    .addOption(
      count(
        "--meet-timeout <s>",
        "seconds that the launchers wait for one another",
        "DUALPIPE_MEET_TIMEOUT",
        1,
        MAX_DURATION_SECONDS,
      ).default(300),
    )
    .addOption(
      count(
        "--silence-timeout <s>",
        "heartbeat timeout: seconds without a heartbeat after which a host is gone",
        "DUALPIPE_SILENCE_TIMEOUT",
        1,
        MAX_DURATION_SECONDS,
      ).default(30),
    )
    .addHelpText(
      "after",
      `\nOptions call a host a node, as torchrun does. With several hosts, set ${SECRET_VARIABLE} to the same secret text on all of them; ${ADDRESS_VARIABLE} sets the address at which this one listens.`,
    )
    .action(runLaunch);
}

function count(
  flags: string,
  description: string,
  variable: string,
  least: number,
  most = Number.MAX_SAFE_INTEGER,
): Option {
  return orVariable(new Option(flags, description), variable).argParser((text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= least && value <= most) return value;
    const limit = most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${most}`;
    throw new InvalidArgumentError(`It must be a whole number ${limit}.`);
  });
}

/** torchrun takes a range of hosts as well, and PyTorchJob gives one even where both ends are the same. */
function hostCount(text: string): number {
  const [, least, most = least] = /^(\d+)(?::(\d+))?$/.exec(text) ?? [];
  if (least !== undefined && Number(least) >= 1 && Number(least) === Number(most)) return Number(least);
  throw new InvalidArgumentError(
    "It must be a whole number of at least 1. A run cannot go on with fewer hosts, so a range must have the same ends.",
  );
}

function nonEmpty(text: string): string {
  if (text !== "") return text;
  throw new InvalidArgumentError("It must not be empty.");
}

async function runLaunch(
  program: string,
  args: readonly string[],
  options: LaunchCommandOptions,
): Promise<void> {
  const { nnodes, nodeRank, nprocPerNode, masterAddr = LOOPBACK, masterPort, maxRestarts } = options;
  if (nodeRank >= nnodes)
    throw new UsageError(
      `--node-rank must be less than --nnodes; got ${nodeRank} with --nnodes ${nnodes}; number the hosts from 0`,
    );
  if (nnodes > 1 && options.masterAddr === undefined)
    throw new UsageError(
      `with several hosts, all must know the address of host 0; got --nnodes ${nnodes} without --master-addr; add it`,
    );
  // Otherwise every process would report it, and again after each restart.
  const stats = statSync(program, { throwIfNoEntry: false });
  if (stats === undefined || stats.isDirectory())
    throw new UsageError(
      `the program must be an existing file; ${stats === undefined ? `there is no ${program}` : `${program} is a folder`}; check its path`,
    );
  const isConfig = /\.ya?ml$/.test(program);
  const main = new URL(`./main${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url);
  const print = (text: string): void => {
    process.stderr.write(`dualpipe: ${text}\n`);
  };
  const env = readEnvironment();
  if (nnodes > 1 && env[SECRET_VARIABLE] === undefined)
    print(
      `${SECRET_VARIABLE} is not set, so anyone who can reach ${masterAddr}:${masterPort} can join this run; set it to the same secret text on all hosts`,
    );
  using signals = new StopSignals(wasStartedByNohup() ? ["SIGHUP"] : []);
  const failure = await launch(
    {
      program: isConfig ? fileURLToPath(main) : program,
      args: isConfig ? ["train", program, ...args] : args,
      numProcessesPerHost: numProcessesFor(nprocPerNode, isConfig),
      numHosts: nnodes,
      hostIndex: nodeRank,
      masterAddress: masterAddr,
      masterPort,
      address: env[ADDRESS_VARIABLE],
      secret: env[SECRET_VARIABLE] ?? publicSecret(masterPort),
      maxRestarts,
      rendezvousTimeoutMs: 1000 * options.meetTimeout,
      heartbeatTimeoutMs: 1000 * options.silenceTimeout,
      isWorthRestarting: (status) => isWorthRestarting(status, isConfig),
      print,
    },
    signals,
  );
  if (failure === undefined || signals.isStopping) return;
  print(`${failure.text}; the run has ended`);
  process.exitCode ??= failure.status;
}

/** A restart would repeat a user's error. Status 1 of a script may mean anything, so a script is restarted. */
function isWorthRestarting(status: number, isConfig: boolean): boolean {
  const { error, usage, hungUp, interrupted, terminated } = EXIT_STATUS;
  const final: number[] = [usage, hungUp, interrupted, terminated, ...(isConfig ? [error] : [])];
  return !final.includes(status);
}
