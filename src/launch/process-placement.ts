/**
 * The placement of a process in a run: which ranks it has, where its hub is, and where it listens.
 * `processPlacement` puts it together from the variables of whatever launcher started the process
 * (launcher-variables.ts), so that no user writes addresses and ports into a program, and the same script runs
 * alone, under `dualpipe launch`, torchrun, Slurm and Open MPI.
 *
 * Every process has the same number of ranks: process p has ranks p * ranksPerProcess to (p + 1) *
 * ranksPerProcess - 1. So each process knows where every rank is without asking.
 */
import { counted } from "../errors/counted.ts";
import { type Environment, readEnvironment, setDefaultVariable } from "../errors/environment.ts";
import { shown } from "../errors/shown.ts";
import type { Addon } from "../native/addon.ts";
import type { CardNetwork, Network, ProcessLayout } from "../transport/processes/connect-processes.ts";
import { LaunchError } from "./launch-error.ts";
import { type HubServer, readLaunchVariables } from "./launcher-variables.ts";
import { PACKAGE_VERSION } from "./package-version.ts";

/** The place of a process in a run, and how it finds the others. */
export interface ProcessPlacement extends ProcessLayout {
  /** The address of host 0, at which the run is found. */
  readonly masterAddress: string;
  readonly masterPort: number;
  readonly hub: HubServer;
  /** The address at which this process listens for the others; undefined for the one on the route to the master. */
  readonly address: string | undefined;
  /** A text that only the processes of the run know; undefined when none was given. */
  readonly secret: string | undefined;
  /** What connects the processes; undefined for Gloo where LibTorch has it, and else sockets. */
  readonly network?: Network | undefined;
  /** What carries tensors between cards of different processes; undefined for `auto`. */
  readonly cardNetwork?: CardNetwork | undefined;
  /** The index of the process on its host, by which its ranks choose their cards. Default: 0. */
  readonly localProcess?: number | undefined;
  /** What the launcher or the user calls the run; processes of runs with other names do not join it. */
  readonly job?: string | undefined;
  /** A short text for what the processes do, which must be the same in all of them. */
  readonly purpose?: string | undefined;
}

/** The variable with the secret text that only the processes of a run know. */
export const SECRET_VARIABLE = "DUALPIPE_SECRET";
/** The variable with the address at which a host listens for the others. */
export const ADDRESS_VARIABLE = "DUALPIPE_ADDRESS";
/** The variable with a name of the run, in place of the launcher's. */
const RUN_ID_VARIABLE = "DUALPIPE_RUN_ID";
/** The variable with what connects the processes. */
const NETWORK_VARIABLE = "DUALPIPE_NETWORK";
const NETWORKS = ["gloo", "sockets"] as const;
/** The variable with what carries tensors between cards of different processes. */
const CARD_NETWORK_VARIABLE = "DUALPIPE_CARDS";
const CARD_NETWORKS = ["auto", "nccl", "host"] as const;

/**
 * The placement of this process in a run of `numRanks` ranks, according to its launcher's variables.
 * `DUALPIPE_ADDRESS` sets the address at which it listens for the others, `DUALPIPE_SECRET` the secret of the
 * run, `DUALPIPE_NETWORK` what connects them, `gloo` or `sockets`, `DUALPIPE_CARDS` what carries tensors between their
 * cards, `auto`, `nccl` or `host`, and `DUALPIPE_RUN_ID` a name of the run in place of the launcher's. A variable that
 * is empty is unset. Where NCCL will connect the cards, it sets `CUDA_MODULE_LOADING=EAGER` (native/cuda_nccl.cpp), so
 * call it before anything uses a card.
 * @returns Undefined when no launcher has started this process, or this is the only one that it started.
 * @throws LaunchError INCOMPLETE_VARIABLES, UNEVEN_RANKS, UNKNOWN_NETWORK
 */
export async function processPlacement(
  numRanks: number,
  variables?: Environment,
): Promise<ProcessPlacement | undefined> {
  const env = readEnvironment(variables);
  const launch = readLaunchVariables(env);
  if (launch === undefined) return undefined;
  const { process, numProcesses, localProcess, masterAddress, masterPort, hub, job } = launch;
  // There is no other process to connect to, and no port to agree on.
  if (numProcesses === 1 && hub !== "launcher") return undefined;
  if (numRanks % numProcesses !== 0)
    throw new LaunchError(
      "UNEVEN_RANKS",
      `all processes must have the same number of ranks; got ${counted(numRanks, "rank")} and ${counted(numProcesses, "process")}; start ${divisorsOf(numRanks).join(", ")} processes, or change the number of ranks`,
    );
  const cardNetwork = networkOf(
    CARD_NETWORK_VARIABLE,
    CARD_NETWORKS,
    "CUDA IPC within a host and NCCL between hosts",
    env,
  );
  if (cardNetwork === "nccl" || (cardNetwork !== "host" && !launch.isOneHost))
    setDefaultVariable("CUDA_MODULE_LOADING", "EAGER");
  return {
    process,
    numProcesses,
    ranksPerProcess: numRanks / numProcesses,
    masterAddress,
    masterPort,
    hub,
    address: env[ADDRESS_VARIABLE],
    secret: env[SECRET_VARIABLE],
    network: networkOf(NETWORK_VARIABLE, NETWORKS, "gloo where LibTorch has it, and else sockets", env),
    cardNetwork,
    localProcess,
    job: env[RUN_ID_VARIABLE] ?? job,
  };
}

function networkOf<Choice extends string>(
  variable: string,
  choices: readonly Choice[],
  otherwise: string,
  env: Environment,
): Choice | undefined {
  const given = env[variable];
  const network = choices.find((each) => each === given);
  if (given === undefined || network !== undefined) return network;
  throw new LaunchError(
    "UNKNOWN_NETWORK",
    `${variable} must be one of ${choices.join(", ")}; got ${shown(given)}; unset it for ${otherwise}`,
  );
}

/**
 * The secret of a run that was given none. It only keeps runs at different ports from mixing: anyone can compute it. It
 * does not depend on the master's address, which its processes may write in different ways.
 */
export function publicSecret(masterPort: number): string {
  return `dualpipe at port ${masterPort}`;
}

/**
 * The description of a run that all its processes have, and no others that may find its hub. Different versions would
 * not compute the same bits, or not understand one another. A secret keeps strangers out, and so does a launcher's name
 * of the run; with neither, runs at one port are told apart by what they do.
 */
export function runOfProcesses(
  { libtorchVersion }: Pick<Addon, "libtorchVersion">,
  { numProcesses, ranksPerProcess, job, secret, hub, purpose }: ProcessPlacement,
): string {
  const isKnown = secret !== undefined || job !== undefined || hub !== "process 0";
  return [
    `a run of ${counted(numProcesses * ranksPerProcess, "rank")} in ${counted(numProcesses, "process")}`,
    `dualpipe ${PACKAGE_VERSION}, LibTorch ${libtorchVersion}`,
    ...(job === undefined ? [] : [`job ${job}`]),
    ...(isKnown || purpose === undefined ? [] : [purpose]),
  ].join(", ");
}

function divisorsOf(whole: number): number[] {
  return Array.from({ length: whole }, (_, i) => i + 1).filter((divisor) => whole % divisor === 0);
}
