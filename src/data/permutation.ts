/*
 * The order of the data must be the same on every machine, Node version and rank, and computable for any pass without
 * the passes before it. `Math.random` has no seed, and LibTorch's generators differ between versions, so the numbers
 * are made here: a counter through the finalizer of MurmurHash3, as in SplitMix, started from a hash of the key.
 * Shuffling is Fisher and Yates; taking a word modulo the limit would prefer small numbers, so words past the last
 * whole multiple of the limit are drawn again.
 */

/** The numbers from 0 to `length - 1` in an order that depends only on the key. */
export function permutation(length: number, key: readonly number[]): Uint32Array {
  const order = Uint32Array.from({ length }, (_, index) => index);
  const next = randomWords(key);
  for (let last = length - 1; last > 0; last--) {
    const other = below(last + 1, next);
    const kept = order[last]!;
    order[last] = order[other]!;
    order[other] = kept;
  }
  return order;
}

/** A number from 0 to `limit - 1`, all equally likely. */
function below(limit: number, next: () => number): number {
  const multiple = 2 ** 32 - (2 ** 32 % limit);
  let word = next();
  while (word >= multiple) word = next();
  return word % limit;
}

/** Makes a generator of 32-bit words. */
function randomWords(key: readonly number[]): () => number {
  let state = 0;
  for (const part of key) {
    state = mix(state + 0x9e3779b9 + (part >>> 0));
    state = mix(state + Math.floor(part / 2 ** 32));
  }
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    return mix(state);
  };
}

function mix(word: number): number {
  word = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  word = Math.imul(word ^ (word >>> 13), 0xc2b2ae35);
  return (word ^ (word >>> 16)) >>> 0;
}
