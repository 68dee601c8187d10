import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Command, InvalidArgumentError, Option } from "commander";
import { EXIT_STATUS } from "../launch/exit-status.ts";
import { LaunchError } from "../launch/launch-error.ts";
import { launch } from "../launch/launcher/launch.ts";
import { StopSignals } from "../launch/launcher/stop-signals.ts";
import { DEFAULT_MASTER_PORT } from "../launch/launcher-variables.ts";
import { ADDRESS_VARIABLE, publicSecret, SECRET_VARIABLE } from "../launch/process-placement.ts";

interface LaunchCommandOptions {
  readonly nprocPerNode: number;
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
      "Start the processes of this host with torchrun's variables. A config is trained, its ranks spread evenly over the processes; a script runs in every process.",
    )
    .argument("<program>", "a YAML file for train, or a script for Node")
    .argument("[args...]", "what comes after it goes to train or to the script")
    .allowUnknownOption()
    .passThroughOptions()
    .addOption(count("--nproc-per-node <n>", "processes on this host", "PET_NPROC_PER_NODE", 1).default(1))
    .addOption(
      count("--nnodes <n>", "hosts, on each of which dualpipe launch runs", "PET_NNODES", 1).default(1),
    )
    .addOption(count("--node-rank <n>", "this host's number, from 0", "PET_NODE_RANK", 0).default(0))
    .addOption(
      new Option("--master-addr <address>", `where host 0 is reached; ${LOOPBACK} with one host`).env(
        "PET_MASTER_ADDR",
      ),
    )
    .addOption(
      count(
        "--master-port <port>",
        "where the launchers of several hosts meet",
        "PET_MASTER_PORT",
        1,
      ).default(DEFAULT_MASTER_PORT),
    )
    .addOption(
      count(
        "--max-restarts <n>",
        "how often all processes are started again when one fails",
        "PET_MAX_RESTARTS",
        0,
      ).default(0),
    )
    .addOption(
      count(
        "--meet-timeout <s>",
        "how long the launchers wait for one another",
        "DUALPIPE_MEET_TIMEOUT",
        1,
      ).default(300),
    )
    .addOption(
      count(
        "--silence-timeout <s>",
        "after so long without a sign of life a host counts as lost",
        "DUALPIPE_SILENCE_TIMEOUT",
        1,
      ).default(30),
    )
    .addHelpText(
      "after",
      `\n${SECRET_VARIABLE} must hold the same text on all hosts, which nobody else knows; ${ADDRESS_VARIABLE} sets the address at which this one listens.`,
    )
    .action(runLaunch);
}

function count(flags: string, description: string, variable: string, least: number): Option {
  return new Option(flags, description).env(variable).argParser((text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= least) return value;
    throw new InvalidArgumentError(`It must be a whole number of at least ${least}.`);
  });
}

async function runLaunch(
  program: string,
  args: readonly string[],
  options: LaunchCommandOptions,
): Promise<void> {
  const { nnodes, nodeRank, nprocPerNode, masterAddr = LOOPBACK, masterPort, maxRestarts } = options;
  if (nodeRank >= nnodes)
    throw new LaunchError("USAGE", `--node-rank must be less than --nnodes; got ${nodeRank} of ${nnodes}`);
  if (nnodes > 1 && options.masterAddr === undefined)
    throw new LaunchError("USAGE", `${nnodes} hosts must know where host 0 is reached; give --master-addr`);
  // Every process would say it, and again at each restart.
  if (!existsSync(program)) throw new LaunchError("USAGE", `there is no file ${program} to launch`);
  const isConfig = /\.ya?ml$/.test(program);
  const main = new URL(`./main${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url);
  const print = (text: string): void => {
    process.stderr.write(`dualpipe: ${text}\n`);
  };
  if (nnodes > 1 && !process.env[SECRET_VARIABLE])
    print(
      `${SECRET_VARIABLE} is not set: whoever reaches ${masterAddr}:${masterPort} can join this run; set it alike on all hosts`,
    );
  using signals = new StopSignals();
  const failure = await launch(
    {
      program: isConfig ? fileURLToPath(main) : program,
      args: isConfig ? ["train", program, ...args] : args,
      numProcessesPerHost: nprocPerNode,
      numHosts: nnodes,
      hostIndex: nodeRank,
      masterAddress: masterAddr,
      masterPort,
      address: process.env[ADDRESS_VARIABLE],
      secret: process.env[SECRET_VARIABLE] || publicSecret(masterAddr, masterPort),
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

/** An error of the user's would come again; of a script only its author knows what a status means. */
function isWorthRestarting(status: number, isConfig: boolean): boolean {
  const { error, usage, interrupted, terminated } = EXIT_STATUS;
  const final: number[] = [usage, interrupted, terminated, ...(isConfig ? [error] : [])];
  return !final.includes(status);
}
