// What the launcher of a process tells it. torchrun, Open MPI and Slurm each have names of their own for the same few
// facts, and leave out some. So each has a reader here, which gives what all of them can say, and names the variable
// that is missing or wrong. Which launcher it was is decided by variables that no other one sets.
import type { Environment } from "../errors/environment.ts";
import { LaunchError } from "./launch-error.ts";

/** What a launcher tells a process about its place in a run. */
export interface LaunchVariables {
  readonly launcher: "torchrun" | "Open MPI" | "Slurm";
  /** The index of the process in the run, torchrun's `RANK`. */
  readonly process: number;
  readonly numProcesses: number;
  /** The index of the process on its host. */
  readonly localProcess: number;
  /** Whether all processes are known to be on one host. */
  readonly isOneHost: boolean;
  readonly masterAddress: string;
  readonly masterPort: number;
  readonly hub: HubServer;
  /** What the launcher calls the run, the same in all of its processes and another one in each run. */
  readonly job: string | undefined;
}

/**
 * The server of the hub that the processes join: `dualpipe launch`, or process 0, at the master's address and
 * port. Where another launcher has a store at that port, process 0 serves the hub elsewhere and writes its
 * location under a key of the store.
 */
export type HubServer = "launcher" | "process 0" | { readonly storeKey: string };

/** The variable by which `dualpipe launch` tells its processes that it serves their hub. */
export const HUB_VARIABLE = "DUALPIPE_HUB";

/** torchrun's default. */
export const DEFAULT_MASTER_PORT = 29_500;

/**
 * Reads the variables of torchrun, which `dualpipe launch` sets as well, of Open MPI's mpirun, or of Slurm's srun.
 * @returns Undefined when no launcher has started this process.
 * @throws LaunchError INCOMPLETE_VARIABLES that names the variable.
 */
export function readLaunchVariables(env: Environment): LaunchVariables | undefined {
  if (env.RANK !== undefined || env.WORLD_SIZE !== undefined) return readTorchrun(env);
  if (env.OMPI_COMM_WORLD_SIZE !== undefined) return readOpenMpi(env);
  // SLURM_NTASKS would not do: a batch script has it as well, but only a task of srun has this one.
  if (env.SLURM_STEP_NUM_TASKS !== undefined && env.SLURM_PROCID !== undefined) return readSlurm(env);
  return undefined;
}

function readTorchrun(env: Environment): LaunchVariables {
  const variables = new Variables(env, "torchrun");
  const indices = variables.indices("RANK", "WORLD_SIZE", "LOCAL_RANK");
  return {
    launcher: "torchrun",
    ...indices,
    isOneHost: env.LOCAL_WORLD_SIZE === env.WORLD_SIZE,
    masterAddress: variables.text("MASTER_ADDR"),
    masterPort: variables.port(),
    hub: hubOfTorchrun(env),
    // What torchrun calls a run without a name.
    job: env.TORCHELASTIC_RUN_ID === "none" ? undefined : env.TORCHELASTIC_RUN_ID,
  };
}

function hubOfTorchrun(env: Environment): HubServer {
  if (env[HUB_VARIABLE] === "launcher") return "launcher";
  if (env.TORCHELASTIC_USE_AGENT_STORE !== "True") return "process 0";
  return { storeKey: `/dualpipe/attempt_${env.TORCHELASTIC_RESTART_COUNT ?? "0"}` };
}

function readOpenMpi(env: Environment): LaunchVariables {
  const variables = new Variables(env, "Open MPI");
  const indices = variables.indices(
    "OMPI_COMM_WORLD_RANK",
    "OMPI_COMM_WORLD_SIZE",
    "OMPI_COMM_WORLD_LOCAL_RANK",
  );
  const isOneHost = env.OMPI_COMM_WORLD_LOCAL_SIZE === env.OMPI_COMM_WORLD_SIZE;
  return {
    launcher: "Open MPI",
    ...indices,
    isOneHost,
    masterAddress: isOneHost ? (env.MASTER_ADDR ?? "127.0.0.1") : variables.text("MASTER_ADDR"),
    masterPort: variables.port(DEFAULT_MASTER_PORT),
    hub: "process 0",
    job: env.PMIX_NAMESPACE,
  };
}

function readSlurm(env: Environment): LaunchVariables {
  const variables = new Variables(env, "Slurm");
  const indices = variables.indices("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID");
  const isOneHost = env.SLURM_STEP_NUM_NODES === "1";
  const hosts = () => firstHostOf(env.SLURM_STEP_NODELIST ?? variables.text("SLURM_JOB_NODELIST"));
  return {
    launcher: "Slurm",
    ...indices,
    isOneHost,
    masterAddress: env.MASTER_ADDR ?? (isOneHost ? "127.0.0.1" : hosts()),
    masterPort: variables.port(DEFAULT_MASTER_PORT),
    hub: "process 0",
    job: env.SLURM_JOB_ID && `${env.SLURM_JOB_ID}.${env.SLURM_STEP_ID ?? "0"}`,
  };
}

/** The first host of a list as Slurm writes it: `login` of `login,gpu[01-04]`, `gpu01` of `gpu[01-04,07],login`. */
export function firstHostOf(list: string): string {
  const [, prefix = "", range = "", suffix = ""] = /^([^,[\]]*)(?:\[([^\]]*)\])?([^,[\]]*)/.exec(list) ?? [];
  const [first = ""] = range.split(/[,-]/);
  return `${prefix}${first}${suffix}`;
}

/** The variables of one launcher, which must be complete. */
class Variables {
  readonly #env: Environment;
  readonly #launcher: string;

  constructor(env: Environment, launcher: string) {
    this.#env = env;
    this.#launcher = launcher;
  }

  text(name: string): string {
    const value = this.#env[name];
    if (value === undefined)
      throw new LaunchError(
        "INCOMPLETE_VARIABLES",
        `all of ${this.#launcher}'s variables must be set; ${name} is missing; set it, or start the run with ${this.#launcher} or dualpipe launch`,
      );
    return value;
  }

  number(name: string, most: number): number {
    const text = this.text(name);
    const value = Number(text);
    if (!/^\d+$/.test(text) || value > most)
      throw new LaunchError(
        "INCOMPLETE_VARIABLES",
        `${name} must be a whole number from 0 to ${most}; got "${text}"; let ${this.#launcher} set it`,
      );
    return value;
  }

  indices(process: string, numProcesses: string, localProcess: string) {
    const size = this.number(numProcesses, 1_000_000);
    return {
      numProcesses: size,
      process: this.number(process, size - 1),
      localProcess: this.number(localProcess, size - 1),
    };
  }

  port(fallback?: number): number {
    if (fallback !== undefined && this.#env.MASTER_PORT === undefined) return fallback;
    return this.number("MASTER_PORT", 65_535);
  }
}
