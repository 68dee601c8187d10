import { DualPipeError } from "../errors/dualpipe-error.ts";

export type LaunchErrorCode =
  /** Some of a launcher's variables are missing or malformed. */
  | "INCOMPLETE_VARIABLES"
  /** The ranks cannot be spread evenly over the processes. */
  | "UNEVEN_RANKS"
  /** What connects the processes has an unknown name. */
  | "UNKNOWN_NETWORK"
  /** A rank's program has no default export, or this Node cannot import it. */
  | "INVALID_RANK_PROGRAM"
  /** A rank called `runRanks` or `train`. */
  | "RUN_INSIDE_RANK"
  /** The port of the rendezvous is in use. */
  | "ADDRESS_TAKEN"
  /** The address to listen at belongs to another host. */
  | "ADDRESS_NOT_HERE"
  /** This process or host has another secret than the hub. */
  | "WRONG_SECRET"
  /** The hub serves another run, or one of another size. */
  | "REFUSED"
  /** Not all processes or hosts joined in time, or one stopped sending heartbeats before all were connected. */
  | "RENDEZVOUS_TIMEOUT"
  /** All processes joined, but they could not connect to one another. */
  | "RENDEZVOUS_FAILED";

/** What a member of a run waited for, and how long. */
export interface RendezvousWait {
  readonly noun: "process" | "host";
  /** The index of the process or host that waited. */
  readonly member: number;
  readonly numMembers: number;
  /** The indices of those that had not joined; undefined when the hub never said. */
  readonly missing: readonly number[] | undefined;
  readonly waitedMs: number;
}

export interface LaunchErrorOptions extends ErrorOptions {
  readonly wait?: RendezvousWait;
}

/** Processes cannot be started, do not know their place in the run, or do not find one another. */
export class LaunchError extends DualPipeError<LaunchErrorCode> {
  override readonly name = "LaunchError";
  /** The wait that timed out, of RENDEZVOUS_TIMEOUT. */
  readonly wait: RendezvousWait | undefined;

  constructor(code: LaunchErrorCode, problem: string, options: LaunchErrorOptions = {}) {
    super(code, problem, options);
    this.wait = options.wait;
  }
}
