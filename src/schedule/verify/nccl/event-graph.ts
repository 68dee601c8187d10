/** Events, each of which happens once all that it depends on has happened. Those in a cycle never happen. */
export class EventGraph {
  /** Dependents as linked lists in columns: an event's newest dependency, and the one before each. */
  readonly #newest: Int32Array;
  readonly #before: number[] = [];
  readonly #dependents: number[] = [];
  readonly #numMissing: Int32Array;

  constructor(numEvents: number) {
    this.#newest = new Int32Array(numEvents).fill(-1);
    this.#numMissing = new Int32Array(numEvents);
  }

  /** Lets `event` happen only after `cause`. Both may be given more than once. */
  addDependency(event: number, cause: number): void {
    this.#before.push(this.#newest[cause]!);
    this.#newest[cause] = this.#dependents.length;
    this.#dependents.push(event);
    this.#numMissing[event]!++;
  }

  /** Calls `happen` for every event that can happen, causes first. */
  run(happen: (event: number) => void): void {
    const ready: number[] = [];
    for (let event = this.#numMissing.length - 1; event >= 0; event--) {
      if (this.#numMissing[event] === 0) ready.push(event);
    }
    for (let event = ready.pop(); event !== undefined; event = ready.pop()) {
      happen(event);
      for (const dependent of this.dependentsOf(event)) {
        if (--this.#numMissing[dependent]! === 0) ready.push(dependent);
      }
    }
  }

  *dependentsOf(event: number): Generator<number> {
    for (let link = this.#newest[event]!; link >= 0; link = this.#before[link]!)
      yield this.#dependents[link]!;
  }

  /** Events that wait for each other after `run`, each for the next one and the last for the first; or none. */
  cycle(): number[] {
    const causeOf = new Map<number, number>();
    for (let event = 0; event < this.#numMissing.length; event++) {
      if (this.#numMissing[event] === 0) continue;
      for (const dependent of this.dependentsOf(event)) causeOf.set(dependent, event);
    }
    const path = new Map<number, number>();
    let event = causeOf.keys().next().value;
    while (event !== undefined && !path.has(event)) {
      path.set(event, path.size);
      event = causeOf.get(event);
    }
    return event === undefined ? [] : [...path.keys()].slice(path.get(event)!);
  }
}
