/** What a process of a run ended as, by its exit status. */
export const EXIT_STATUS = {
  done: 0,
  /** Of the user's: what was asked for cannot be done, and trying again would not help. */
  error: 1,
  usage: 2,
  /** A rank, or the process or host it ran in, failed or was lost. */
  rankFailed: 3,
  /** Somebody was waited for in vain. */
  timedOut: 4,
  interrupted: 130,
  terminated: 143,
} as const;
