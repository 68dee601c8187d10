/** A pseudorandom generator that depends on its seed alone. Source: Park and Miller, 1988. */
export class RandomNumbers {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  next(): number {
    this.#state = (this.#state * 48_271) % 2_147_483_647;
    return this.#state / 2_147_483_647;
  }

  /** A whole number from 0 to `end - 1`. */
  below(end: number): number {
    return Math.floor(end * this.next());
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }
}
