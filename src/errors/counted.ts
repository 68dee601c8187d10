/** A count with its noun: "1 rank", "4 ranks", "1 micro-batch". @param plural The noun with an "s" unless given. */
export function counted(
  count: number,
  noun: string,
  plural = `${noun}${/(ch|s)$/.test(noun) ? "es" : "s"}`,
): string {
  return `${count} ${count === 1 ? noun : plural}`;
}
