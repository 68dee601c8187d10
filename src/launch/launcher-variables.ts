import { LaunchError } from "./launch-error.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** What a launcher tells a process of its place in a run. */
export interface LaunchVariables {
  readonly launcher: "torchrun" | "Open MPI" | "Slurm";
  /** The process's number among all, `RANK` to torchrun. */
  readonly process: number;
  readonly numProcesses: number;
  /** The process's number among those of its host. */
  readonly localProcess: number;
  readonly masterAddress: string;
  readonly masterPort: number;
  readonly hub: HubServer;
}

/**
 * Who serves the hub at which the processes meet, at the master's address and port: `dualpipe launch`, or process 0.
 * Where another launcher has a store at that port, process 0 serves it elsewhere, and says where under a key of the store.
 */
export type HubServer = "launcher" | "process 0" | { readonly storeKey: string };

/** Set by `dualpipe launch`, whose own hub the processes of its run meet at. */
export const HUB_VARIABLE = "DUALPIPE_HUB";

/** That of torchrun. */
export const DEFAULT_MASTER_PORT = 29_500;

/**
 * Reads torchrun's variables, which `dualpipe launch` sets too, or else those of Open MPI's mpirun or of Slurm's srun.
 * @returns Undefined when no launcher has started this process.
 * @throws LaunchError INCOMPLETE_VARIABLES with what is missing.
 */
export function readLaunchVariables(env: Environment): LaunchVariables | undefined {
  if (env.RANK !== undefined || env.WORLD_SIZE !== undefined) return readTorchrun(env);
  if (env.OMPI_COMM_WORLD_SIZE !== undefined) return readOpenMpi(env);
  // A batch script has SLURM_NTASKS, too, though it is no task: only srun's steps have this one.
  if (env.SLURM_STEP_NUM_TASKS !== undefined && env.SLURM_PROCID !== undefined) return readSlurm(env);
  return undefined;
}

function readTorchrun(env: Environment): LaunchVariables {
  const variables = new Variables(env, "torchrun");
  const place = variables.place("RANK", "WORLD_SIZE", "LOCAL_RANK");
  return {
    launcher: "torchrun",
    ...place,
    masterAddress: variables.text("MASTER_ADDR"),
    masterPort: variables.port(),
    hub: hubOfTorchrun(env),
  };
}

function hubOfTorchrun(env: Environment): HubServer {
  if (env[HUB_VARIABLE] === "launcher") return "launcher";
  if (env.TORCHELASTIC_USE_AGENT_STORE !== "True") return "process 0";
  return { storeKey: `/dualpipe/attempt_${env.TORCHELASTIC_RESTART_COUNT ?? "0"}` };
}

function readOpenMpi(env: Environment): LaunchVariables {
  const variables = new Variables(env, "Open MPI");
  const place = variables.place("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK");
  const isOneHost = env.OMPI_COMM_WORLD_LOCAL_SIZE === env.OMPI_COMM_WORLD_SIZE;
  return {
    launcher: "Open MPI",
    ...place,
    masterAddress: isOneHost ? (env.MASTER_ADDR ?? "127.0.0.1") : variables.text("MASTER_ADDR"),
    masterPort: variables.port(DEFAULT_MASTER_PORT),
    hub: "process 0",
  };
}

function readSlurm(env: Environment): LaunchVariables {
  const variables = new Variables(env, "Slurm");
  const place = variables.place("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID");
  const isOneHost = env.SLURM_STEP_NUM_NODES === "1";
  const hosts = () => firstHostOf(env.SLURM_STEP_NODELIST ?? variables.text("SLURM_JOB_NODELIST"));
  return {
    launcher: "Slurm",
    ...place,
    masterAddress: env.MASTER_ADDR ?? (isOneHost ? "127.0.0.1" : hosts()),
    masterPort: variables.port(DEFAULT_MASTER_PORT),
    hub: "process 0",
  };
}

/** The first host of a list as Slurm writes it: `login` of `login,node[01-04]`, `node01` of `node[01-04,07],login`. */
export function firstHostOf(list: string): string {
  const [, prefix = "", range = "", suffix = ""] = /^([^,[\]]*)(?:\[([^\]]*)\])?([^,[\]]*)/.exec(list) ?? [];
  const [first = ""] = range.split(/[,-]/);
  return `${prefix}${first}${suffix}`;
}

class Variables {
  readonly #env: Environment;
  readonly #launcher: string;

  constructor(env: Environment, launcher: string) {
    this.#env = env;
    this.#launcher = launcher;
  }

  text(name: string): string {
    const value = this.#env[name];
    if (value === undefined || value === "")
      throw new LaunchError(
        "INCOMPLETE_VARIABLES",
        `${this.#launcher}'s variables must all be set; ${name} is missing; set it, or start the run by ${this.#launcher} or dualpipe launch`,
      );
    return value;
  }

  number(name: string, most: number): number {
    const text = this.text(name);
    const value = Number(text);
    if (!/^\d+$/.test(text) || value > most)
      throw new LaunchError(
        "INCOMPLETE_VARIABLES",
        `${name} must be a whole number from 0 to ${most}; got "${text}"`,
      );
    return value;
  }

  place(process: string, numProcesses: string, localProcess: string) {
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
