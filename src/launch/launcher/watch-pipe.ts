/** The descriptor of the pipe between a launcher and each of its processes; its end is the end of the other. */
export const LAUNCHER_PIPE = 3;

/** What a process tells its launcher over the pipe: whether it listens to SIGUSR1 from now on. */
export const LISTENING = "1";
export const NOT_LISTENING = "0";
