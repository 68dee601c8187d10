import type { Parameter } from "../autograd/parameter.ts";
import { checkedOptions, OptionError } from "../errors/option-error.ts";
import { type StateDict, StateDictError } from "../nn/state-dict.ts";
import { addEach, scaleEach } from "../tensor/kernels/foreach.ts";
import * as kernels from "../tensor/kernels/index.ts";
import { sameShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { NamedParameter } from "./optimizer.ts";

export interface AveragedWeightsOptions {
  /** How much of the average an update keeps; at least 0 and under 1. Default: 0.999. */
  decay?: number | undefined;
}

interface Average {
  readonly name: string;
  readonly parameter: Parameter;
  /** It has the parameter's shape, and float32 where the parameter's dtype is smaller. */
  readonly value: Tensor;
}

/**
 * An exponential moving average (EMA) of weights, `a <- decay a + (1 - decay) w`, which often generalizes better than
 * the last weights (Polyak and Juditsky, 1992). It starts as a copy of the weights. Averages are its own tensors, and
 * bfloat16 and float16 weights have float32 averages, which would not change otherwise.
 *
 * Each rank averages the parameters that it holds; holders of the same parameters get the same averages.
 *
 * @example
 * const average = new AveragedWeights(model.namedParameters(), { decay: 0.999 });
 * optimizer.step();
 * average.update();
 * const output = average.during(() => model.call(x)); // The model has the averages as weights here.
 */
export class AveragedWeights {
  readonly decay: number;
  readonly #averages: readonly Average[];

  /** @throws OptionError for an option that does not exist or is out of its range */
  constructor(parameters: readonly NamedParameter[], options: AveragedWeightsOptions = {}) {
    const { decay = 0.999 } = checkedOptions("AveragedWeights", options, ["decay"]);
    if (!(decay >= 0 && decay < 1))
      throw new OptionError(`decay of AveragedWeights must be at least 0 and under 1; got ${decay}`);
    this.decay = decay;
    const once = new Map(parameters.map(([name, parameter]) => [parameter, name]));
    this.#averages = [...once].map(([parameter, name]) => ({ name, parameter, value: copyOf(parameter) }));
  }

  /** Takes the present weights into the averages. Call it after each step of the optimizer. */
  update(): void {
    this.#averages[0]?.value.runtime.scope(() => {
      const values = this.#averages.map(({ value }) => value);
      scaleEach(values, this.decay);
      addEach(values, this.#averages.map(weightsLike), 1 - this.decay);
    });
  }

  /**
   * Runs the body with the averages as weights, and gives the parameters their own weights back, also after an error.
   * @returns What the body returns, which must not be a promise
   */
  during<Result>(body: () => Result): Result {
    const own = this.#averages.map(({ parameter }) =>
      parameter.runtime.scope(() => clone(parameter).share()),
    );
    try {
      for (const { parameter, value } of this.#averages) kernels.copy_(parameter, value);
      return body();
    } finally {
      this.#averages.forEach(({ parameter }, i) => {
        kernels.copy_(parameter, own[i]!);
        own[i]!.dispose();
      });
    }
  }

  /** The averages by the names of their parameters: its own tensors, not copies. */
  stateDict(): StateDict {
    return Object.fromEntries(this.#averages.map(({ name, value }) => [name, value]));
  }

  /**
   * Copies averages that `stateDict` returned.
   * @throws StateDictError with every name that does not fit; the averages are then unchanged
   */
  loadStateDict(dict: StateDict): void {
    const own = this.stateDict();
    const problems = [
      ...Object.keys(dict).flatMap((name) => (own[name] === undefined ? [`unexpected: ${name}`] : [])),
      ...this.#averages.flatMap(({ name, value: { shape } }) => {
        const source = dict[name];
        if (source === undefined) return [`missing: ${name}`];
        if (sameShape(source.shape, shape)) return [];
        return [`${name}: it is [${source.shape}] in the state dict, [${shape}] here`];
      }),
    ];
    if (problems.length > 0)
      throw new StateDictError(
        `the averages do not fit their parameters:\n  ${problems.join("\n  ")}\nload the averages of the same model`,
      );
    for (const { name, value } of this.#averages) kernels.copy_(value, dict[name]!);
  }

  /** Disposes the averages, not the parameters. */
  dispose(): void {
    for (const { value } of this.#averages) value.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

function isHalf({ dtype }: Tensor): boolean {
  return dtype === "bfloat16" || dtype === "float16";
}

function copyOf(parameter: Parameter): Tensor {
  return parameter.runtime.scope(() =>
    (isHalf(parameter) ? kernels.toDtype(parameter, "float32") : clone(parameter)).share(),
  );
}

function clone(parameter: Parameter): Tensor {
  const copy = kernels.zerosLike(parameter);
  kernels.copy_(copy, parameter);
  return copy;
}

function weightsLike({ parameter, value }: Average): Tensor {
  return parameter.dtype === value.dtype ? parameter : kernels.toDtype(parameter, value.dtype);
}
