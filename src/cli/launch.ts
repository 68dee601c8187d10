import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { Command, InvalidArgumentError, Option } from "commander";
import { DEFAULT_MASTER_PORT } from "../launch/environment.ts";
import { LaunchError } from "../launch/launch-error.ts";
import { superviseProcesses } from "../launch/process-supervisor.ts";

interface LaunchCommandOptions {
  readonly nprocPerNode: number;
  readonly nnodes: number;
  readonly nodeRank: number;
  readonly masterAddr?: string;
  readonly masterPort?: number;
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
        `a free port, or ${DEFAULT_MASTER_PORT} with several hosts`,
        "PET_MASTER_PORT",
        1,
      ),
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
  const { nnodes, nodeRank, nprocPerNode } = options;
  if (nodeRank >= nnodes)
    throw new LaunchError("USAGE", `--node-rank must be less than --nnodes; got ${nodeRank} of ${nnodes}`);
  if (nnodes > 1 && options.masterAddr === undefined)
    throw new LaunchError("USAGE", `${nnodes} hosts must know where host 0 is reached; give --master-addr`);
  const isConfig = /\.ya?ml$/.test(program);
  const main = new URL(`./main${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url);
  const { status, failure } = await superviseProcesses({
    program: isConfig ? fileURLToPath(main) : program,
    args: isConfig ? ["train", program, ...args] : args,
    numProcessesPerNode: nprocPerNode,
    numNodes: nnodes,
    nodeRank,
    masterAddress: options.masterAddr ?? LOOPBACK,
    masterPort: options.masterPort ?? (nnodes === 1 ? await freePort() : DEFAULT_MASTER_PORT),
  });
  if (failure !== undefined) process.stderr.write(`dualpipe: ${failure}; the run has ended\n`);
  // A signal has set the status already.
  if (status !== 0) process.exitCode ??= status;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, LOOPBACK);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
