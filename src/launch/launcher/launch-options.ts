/** How to run one host's share of the processes. */
export interface HostOptions {
  /** The program of every process: a file for Node. */
  readonly program: string;
  readonly args: readonly string[];
  readonly numProcessesPerHost: number;
  readonly numHosts: number;
  readonly hostIndex: number;
  /** How often all processes may be restarted. */
  readonly maxRestarts: number;
  /** How long processes have to end by themselves after a signal. Default: 30,000. */
  readonly stopTimeoutMs?: number;
  /** How long the other processes have to report what they waited for, once one has failed. Default: 5,000. */
  readonly failureGraceMs?: number;
}

export interface LaunchOptions extends HostOptions {
  /** The address at which the other hosts reach host 0. */
  readonly masterAddress: string;
  /** The port at which the launchers of several hosts find one another. */
  readonly masterPort: number;
  /** The address at which host 0 listens, if it is not the master's. */
  readonly address?: string | undefined;
  /** A text that all launchers of the run know. */
  readonly secret: string;
  /** How long the launchers wait for one another, at the start and at each restart. */
  readonly rendezvousTimeoutMs: number;
  /** A host is gone after this long without a heartbeat. */
  readonly heartbeatTimeoutMs: number;
  /** Whether a restart may help after a failure with this exit status. */
  readonly isWorthRestarting: (status: number) => boolean;
  readonly print: (text: string) => void;
}

/** One start of all processes, and where they find one another. */
export interface Attempt {
  /** 0 for the first start, and one more for each restart. */
  readonly number: number;
  readonly masterAddress: string;
  readonly masterPort: number;
  readonly secret: string;
}

/** How a process, or a host's share of them, failed. */
export interface Failure {
  /** One of EXIT_STATUS, or a script's own. */
  readonly status: number;
  readonly text: string;
}
