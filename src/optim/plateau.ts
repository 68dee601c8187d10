import { checkedOptions, OptionError } from "../errors/option-error.ts";

export interface PlateauOptions {
  /** What the learning rate starts with. */
  learningRate: number;
  /** What the learning rate is multiplied by. Default: 0.1. */
  factor?: number | undefined;
  /** How many values in a row may bring no improvement. Default: 10. */
  patience?: number | undefined;
  /** The least improvement that counts. Default: 1e-4. */
  threshold?: number | undefined;
  /** Whether the threshold is a share of the best value, or a difference from it. Default: "relative". */
  thresholdMode?: "relative" | "absolute" | undefined;
  /** Whether the values should become smaller, as losses, or larger. Default: "smaller". */
  better?: "smaller" | "larger" | undefined;
  /** How many values after a reduction do not count. Default: 0. */
  cooldown?: number | undefined;
  /** The learning rate stays at least this. Default: 0. */
  minimum?: number | undefined;
}

/** What a `Plateau` has seen, as JSON can keep it. */
export interface PlateauState {
  readonly learningRate: number;
  /** Null before the first value. */
  readonly best: number | null;
  readonly numBad: number;
  readonly cooldownLeft: number;
}

const NAMES = [
  "learningRate",
  "factor",
  "patience",
  "threshold",
  "thresholdMode",
  "better",
  "cooldown",
  "minimum",
] as const;

/** A change of the learning rate that is smaller than this is not made. */
const LEAST_CHANGE = 1e-8;

/**
 * A learning rate that is reduced when a value, such as the validation loss, stops improving: PyTorch's
 * `ReduceLROnPlateau`. It depends on what it has seen, so keep its `state` with a checkpoint. All ranks must show it
 * the same values.
 *
 * @example
 * const plateau = new Plateau({ learningRate: 1e-3, patience: 3 });
 * const validationLoss = mean(model.eval().call(x)).item();
 * optimizer.learningRate = plateau.observe(validationLoss);
 */
export class Plateau {
  readonly #options: Required<{ [Name in keyof PlateauOptions]: NonNullable<PlateauOptions[Name]> }>;
  #state: PlateauState;

  /** @throws OptionError for an option that does not exist or is out of its range */
  constructor(options: PlateauOptions) {
    const given = checkedOptions("Plateau", options, NAMES);
    const { learningRate, factor = 0.1, patience = 10, threshold = 1e-4, cooldown = 0, minimum = 0 } = given;
    const { thresholdMode = "relative", better = "smaller" } = given;
    check("factor", factor, "over 0 and under 1", factor > 0 && factor < 1);
    check("patience", patience, "a whole number of at least 0", Number.isInteger(patience) && patience >= 0);
    check("cooldown", cooldown, "a whole number of at least 0", Number.isInteger(cooldown) && cooldown >= 0);
    check("learningRate", learningRate, "at least 0", learningRate >= 0);
    this.#options = { learningRate, factor, patience, threshold, thresholdMode, better, cooldown, minimum };
    this.#state = { learningRate, best: null, numBad: 0, cooldownLeft: 0 };
  }

  get learningRate(): number {
    return this.#state.learningRate;
  }

  /** Takes the next value. @returns The learning rate from now on */
  observe(value: number): number {
    const { patience, cooldown, factor, minimum } = this.#options;
    let { learningRate, best, numBad, cooldownLeft } = this.#state;
    if (best === null || this.#isBetter(value, best)) {
      best = value;
      numBad = 0;
    } else numBad++;
    if (cooldownLeft > 0) {
      cooldownLeft--;
      numBad = 0;
    }
    if (numBad > patience) {
      const reduced = Math.max(learningRate * factor, minimum);
      if (learningRate - reduced > LEAST_CHANGE) learningRate = reduced;
      cooldownLeft = cooldown;
      numBad = 0;
    }
    this.#state = { learningRate, best, numBad, cooldownLeft };
    return learningRate;
  }

  get state(): PlateauState {
    return this.#state;
  }

  set state(state: PlateauState) {
    this.#state = { ...state };
  }

  #isBetter(value: number, best: number): boolean {
    const { threshold, thresholdMode, better } = this.#options;
    const sign = better === "smaller" ? -1 : 1;
    const margin = thresholdMode === "relative" ? best * threshold : threshold;
    return sign * (value - best) > margin;
  }
}

function check(name: string, value: number, rule: string, isAllowed: boolean): void {
  if (!isAllowed) throw new OptionError(`${name} of Plateau must be ${rule}; got ${value}`);
}
