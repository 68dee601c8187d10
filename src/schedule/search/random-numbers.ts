/** Numbers from 0 up to 1, from Marsaglia's 32-bit xorshift (Journal of Statistical Software 8/14). */
export class RandomNumbers {
  #state: number;

  constructor(seed: number) {
    this.#state = (seed >>> 0) + 1;
  }

  /** At least 0 and under 1. */
  next(): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return (this.#state >>> 0) / 2 ** 32;
  }

  /** A whole number under the limit. */
  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!;
  }
}
