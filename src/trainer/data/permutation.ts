/** The numbers from 0 to `length - 1` in an order that depends on the key alone, on any machine (Fisher and Yates). */
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

/** A number from 0 to `limit - 1`, without the bias of a remainder: words beyond the last whole multiple are drawn again. */
function below(limit: number, next: () => number): number {
  const multiple = 2 ** 32 - (2 ** 32 % limit);
  let word = next();
  while (word >= multiple) {
    word = next();
  }
  return word % limit;
}

/** Words of 32 random bits: a counter through the mixer of MurmurHash3, as SplitMix does it. */
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
