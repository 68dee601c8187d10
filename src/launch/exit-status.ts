/**
 * The exit status of a run's process. A launcher knows nothing of a process that has ended but this number, and
 * decides by it whether to restart the run, and which of several failures was the first cause. So the statuses
 * tell apart what a restart can cure (a crash, a timeout) from what it cannot (a user error).
 */
export const EXIT_STATUS = {
  done: 0,
  /** A user error: a restart would end the same way. A script may also use it for reasons of its own. */
  error: 1,
  usage: 2,
  /** A rank failed, or the process, host or connection that it needed. */
  rankFailed: 3,
  /** A process, host or rank sent no heartbeat, did not join, or sent nothing in time. */
  timedOut: 4,
  /** The terminal was closed (SIGHUP). */
  hungUp: 129,
  interrupted: 130,
  terminated: 143,
} as const;
