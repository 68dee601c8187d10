import { ScheduleError } from "../program/schedule-error.ts";
import type { CostModel, PerStage } from "./cost.ts";
import type { MemoryModel } from "./memory.ts";

const COST_KEYS = ["F", "I", "W", "B", "FB", "pairShare", "recompute", "link", "bandwidth", "bytes"];
const MEMORY_KEYS = ["weights", "activations", "activationsForWeights"];

function parseNumbers(text: string): PerStage | undefined {
  const numbers = text
    .split("/")
    .map((part) => (/^-?[\d.]+(e[+-]?\d+)?$/i.test(part.trim()) ? Number(part) : Number.NaN));
  if (!numbers.every(Number.isFinite)) return undefined;
  return numbers.length === 1 ? numbers[0] : numbers;
}

/** The keys and numbers of a list such as `F=1,I=1/2/2/1,link=0.3`. */
class NumberList {
  readonly #values = new Map<string, PerStage>();
  readonly #subject: string;
  readonly #keys: readonly string[];
  readonly #example: string;

  constructor(subject: string, keys: readonly string[], example: string, text: string) {
    this.#subject = subject;
    this.#keys = keys;
    this.#example = example;
    for (const entry of text.split(",").filter((part) => part.trim() !== "")) {
      const [key = "", numbers = "", ...rest] = entry.split("=").map((part) => part.trim());
      const value = parseNumbers(numbers);
      if (value === undefined || rest.length > 0 || !keys.includes(key) || this.#values.has(key))
        this.#fail(entry);
      this.#values.set(key, value);
    }
  }

  perStage(key: string): PerStage | undefined {
    return this.#values.get(key);
  }

  number(key: string): number | undefined {
    const value = this.#values.get(key);
    return value === undefined || typeof value === "number" ? value : this.#fail(`${key}=${value.join("/")}`);
  }

  #fail(given: string): never {
    throw new ScheduleError(
      "INVALID_COST",
      `${this.#subject}: must be a list of KEY=NUMBER with the keys ${this.#keys.join(", ")}, where one number per ` +
        `stage is written with slashes; got ${JSON.stringify(given.slice(0, 60))}; write for example ${this.#example}`,
    );
  }
}

/** An object with the key, or an empty one when it has no value. */
function given<Key extends string, Value>(key: Key, value: Value | undefined): { [K in Key]?: Value } {
  return value === undefined ? {} : ({ [key]: value } as { [K in Key]?: Value });
}

/**
 * Reads a cost model such as `F=1,I=1,W=1,FB=3,link=0.3,bandwidth=100,bytes=20`. F, I and W are 1 unless given,
 * and the link takes no time; `recompute=1` recomputes activations before each backward.
 * @throws ScheduleError `INVALID_COST`
 */
export function parseCost(text: string): CostModel {
  const list = new NumberList("cost", COST_KEYS, "F=1,I=1,W=1,FB=3,link=0.3 or F=1/2/1/1", text);
  return {
    F: list.perStage("F") ?? 1,
    I: list.perStage("I") ?? 1,
    W: list.perStage("W") ?? 1,
    ...given("B", list.perStage("B")),
    ...given("FB", list.perStage("FB")),
    ...given("pairShare", list.number("pairShare")),
    recompute: (list.number("recompute") ?? 0) !== 0,
    link: { latency: list.number("link") ?? 0, ...given("bandwidth", list.number("bandwidth")) },
    ...given("activationBytes", list.perStage("bytes")),
  };
}

/**
 * Reads a memory model such as `weights=10,activations=2/2/2/3`.
 * @throws ScheduleError `INVALID_COST`
 */
export function parseMemoryModel(text: string): MemoryModel {
  const list = new NumberList("memory", MEMORY_KEYS, "weights=10,activations=2", text);
  return {
    weights: list.perStage("weights") ?? 0,
    activations: list.perStage("activations") ?? 1,
    ...given("activationsForWeights", list.perStage("activationsForWeights")),
  };
}
