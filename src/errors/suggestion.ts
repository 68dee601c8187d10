/**
 * The candidate that was most likely meant by `name`, or undefined. Case, "_" and "-" are ignored, and at most a third
 * of the letters may be missing, extra, changed or swapped.
 */
export function closestName(name: string, candidates: readonly string[]): string | undefined {
  const folded = foldName(name);
  let closest: string | undefined;
  let closestDistance = Math.max(1, Math.floor(folded.length / 3)) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(folded, foldName(candidate));
    if (distance < closestDistance) {
      closest = candidate;
      closestDistance = distance;
    }
  }
  return closest;
}

/** `; did you mean NAME?`, to end a message with, or nothing. */
export function didYouMean(name: string | undefined): string {
  return name === undefined ? "" : `; did you mean ${name}?`;
}

function foldName(name: string): string {
  return name.toLowerCase().replaceAll(/[_\- ]/g, "");
}

/** The Damerau-Levenshtein distance, which counts a swap of two neighbors once. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const changed = last[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      row[j] = Math.min(changed, last[j]! + 1, row[j - 1]! + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        row[j] = Math.min(row[j]!, beforeLast[j - 2]! + 1);
      }
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length]!;
}
