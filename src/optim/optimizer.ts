import type { Parameter } from "../autograd/parameter.ts";
import { OptionError } from "../nn/option-error.ts";
import { type StateDict, StateDictError } from "../nn/state-dict.ts";
import * as kernels from "../tensor/kernels/index.ts";
import type { Tensor } from "../tensor/tensor.ts";

export type NamedParameter = readonly [name: string, parameter: Parameter];

/** Parameters with options of their own; those left out are the optimizer's. */
export type ParameterGroup<Options> = Partial<Options> & { readonly parameters: readonly NamedParameter[] };

interface CommonOptions {
  learningRate: number;
}

/** Parameters with gradients that made the same number of steps, with what the optimizer remembers of each. */
export interface Batch {
  readonly parameters: readonly Parameter[];
  readonly gradients: readonly Tensor[];
  /** One list for each slot. */
  readonly slots: readonly (readonly Tensor[])[];
  /** 1 at a parameter's first step. */
  readonly step: number;
}

interface Group<Options> {
  readonly parameters: readonly NamedParameter[];
  readonly options: Options;
}

/** What is remembered of one parameter: tensors of its shape, and how many steps it made. */
interface Memory {
  readonly slots: readonly Tensor[];
  readonly step: Tensor;
  numSteps: number;
}

/**
 * Changes parameters by their gradients. A parameter without a gradient is left alone, as in PyTorch; one that comes
 * under two names, as tied weights do, is taken once.
 */
export abstract class Optimizer<Options extends CommonOptions> {
  readonly groups: readonly Group<Options>[];
  #memories = new Map<Parameter, Memory>();

  /** @throws OptionError when two parameters have the same name */
  constructor(parameters: readonly NamedParameter[] | readonly ParameterGroup<Options>[], defaults: Options) {
    const groups = isGroups(parameters) ? parameters : [{ parameters } as ParameterGroup<Options>];
    const seen = new Map<string | Parameter, Parameter>();
    this.groups = groups.map(({ parameters, ...options }) => ({
      parameters: parameters.filter((named) => isNew(named, seen)),
      options: { ...defaults, ...options } as Options,
    }));
  }

  /** Names of the tensors that are kept for each parameter of a group, as in PyTorch's `state`. */
  protected abstract slotNames(options: Options): readonly string[];

  protected abstract update(batch: Batch, options: Options): void;

  /** Changes every parameter that has a gradient. */
  step(): void {
    for (const { parameters, options } of this.groups) {
      const numSlots = this.slotNames(options).length;
      const bySteps = new Map<number, Parameter[]>();
      for (const [, parameter] of parameters) {
        if (parameter.grad === null) continue;
        const step = ++this.#memoryOf(parameter, numSlots).numSteps;
        const together = bySteps.get(step);
        if (together === undefined) bySteps.set(step, [parameter]);
        else together.push(parameter);
      }
      for (const [step, together] of bySteps)
        together[0]!.runtime.scope(() => this.update(this.#batch(together, numSlots, step), options));
    }
  }

  #batch(parameters: readonly Parameter[], numSlots: number, step: number): Batch {
    const slots = Array.from({ length: numSlots }, (_, slot) =>
      parameters.map((parameter) => this.#memories.get(parameter)!.slots[slot]!),
    );
    return { parameters, gradients: parameters.map(({ grad }) => grad!), slots, step };
  }

  #memoryOf(parameter: Parameter, numSlots: number): Memory {
    let memory = this.#memories.get(parameter);
    if (memory === undefined) {
      const { runtime } = parameter;
      memory = runtime.scope(() => ({
        slots: Array.from({ length: numSlots }, () => kernels.zerosLike(parameter).share()),
        step: runtime.zeros([], "int64").share(),
        numSteps: 0,
      }));
      this.#memories.set(parameter, memory);
    }
    return memory;
  }

  /** The rate of all groups; that of the first when they differ. */
  get learningRate(): number {
    return this.groups[0]!.options.learningRate;
  }

  set learningRate(learningRate: number) {
    for (const { options } of this.groups) options.learningRate = learningRate;
  }

  /** Disposes all gradients. */
  zeroGrad(): void {
    for (const { parameters } of this.groups) for (const [, parameter] of parameters) parameter.grad = null;
  }

  /** What is remembered, as `NAME.step` and `NAME.SLOT`: the optimizer's own tensors, not copies. */
  stateDict(): StateDict {
    const dict: Record<string, Tensor> = {};
    for (const { parameters, options } of this.groups) {
      const slotNames = this.slotNames(options);
      for (const [name, parameter] of parameters) {
        const memory = this.#memories.get(parameter);
        if (memory === undefined) continue;
        kernels.fillScalar_(memory.step, memory.numSteps);
        dict[`${name}.step`] = memory.step;
        slotNames.forEach((slotName, slot) => {
          dict[`${name}.${slotName}`] = memory.slots[slot]!;
        });
      }
    }
    return dict;
  }

  /**
   * Copies what `stateDict` gave; a parameter of which nothing is there starts anew.
   * @throws StateDictError that names every key which does not fit; nothing is changed then.
   */
  loadStateDict(dict: StateDict): void {
    const loads = this.groups.flatMap(({ parameters, options }) => {
      const keys = ["step", ...this.slotNames(options)];
      return parameters
        .map(([name, parameter]) => ({ parameter, names: keys.map((key) => `${name}.${key}`) }))
        .filter(({ names }) => names.some((name) => dict[name] !== undefined));
    });
    checkState(dict, loads);
    for (const { parameter, names } of loads) {
      const [step, ...slots] = names.map((name) => dict[name]!);
      const memory = this.#memoryOf(parameter, slots.length);
      memory.numSteps = step!.item();
      slots.forEach((slot, i) => {
        kernels.copy_(memory.slots[i]!, slot);
      });
    }
  }

  /** Disposes what is remembered, not the parameters. */
  dispose(): void {
    for (const { slots, step } of this.#memories.values())
      for (const tensor of [step, ...slots]) tensor.dispose();
    this.#memories.clear();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** Weight decay for matrices and tables alone: norms and biases, of one dimension, get none. */
export function weightDecayGroups(
  parameters: readonly NamedParameter[],
  weightDecay: number,
): { parameters: NamedParameter[]; weightDecay: number }[] {
  return [
    { parameters: parameters.filter(([, { shape }]) => shape.length >= 2), weightDecay },
    { parameters: parameters.filter(([, { shape }]) => shape.length < 2), weightDecay: 0 },
  ];
}

/** @throws OptionError unless `isAllowed` */
export function checkOption(
  optimizer: string,
  name: string,
  value: number,
  rule: string,
  isAllowed: boolean,
): void {
  if (!isAllowed) throw new OptionError(`${name} of ${optimizer} must be ${rule}; got ${value}`);
}

function isGroups<Options>(
  parameters: readonly NamedParameter[] | readonly ParameterGroup<Options>[],
): parameters is readonly ParameterGroup<Options>[] {
  return parameters.length > 0 && !Array.isArray(parameters[0]);
}

function isNew([name, parameter]: NamedParameter, seen: Map<string | Parameter, Parameter>): boolean {
  if (seen.has(parameter)) return false;
  if (seen.has(name))
    throw new OptionError(
      `two parameters of an optimizer have the name ${name}; give those of each module a prefix`,
    );
  seen.set(parameter, parameter).set(name, parameter);
  return true;
}

function checkState(
  dict: StateDict,
  loads: readonly { parameter: Parameter; names: readonly string[] }[],
): void {
  const known = new Set(loads.flatMap(({ names }) => names));
  const problems = Object.keys(dict)
    .filter((name) => !known.has(name))
    .map((name) => `unexpected: ${name}`);
  for (const { parameter, names } of loads) {
    names.forEach((name, i) => {
      const source = dict[name];
      const shape = i === 0 ? [] : parameter.shape;
      if (source === undefined) problems.push(`missing: ${name}`);
      else if (source.shape.join() !== shape.join())
        problems.push(`${name}: it is [${source.shape}] in the state dict, [${shape}] here`);
    });
  }
  if (problems.length > 0)
    throw new StateDictError(
      `the optimizer's state does not fit its parameters:\n  ${problems.join("\n  ")}\n` +
        "load the state of the same model and optimizer",
    );
}
