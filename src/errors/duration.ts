/** The longest time that a timer of Node can wait, 24.8 days; with a longer one it would fire at once. */
export const MAX_TIMER_MS = 2 ** 31 - 1;
