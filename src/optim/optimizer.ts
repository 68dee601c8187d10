/**
 * What all optimizers share: groups, state, and one kernel call for many parameters.
 *
 * A model has hundreds of small parameters, and a step of AdamW takes about ten operations on each. Looping over the
 * parameters costs more in calls than in arithmetic. LibTorch's foreach kernels change a list of tensors in one call,
 * but they take one number for the whole list, and AdamW's bias correction depends on a parameter's own step. So a step
 * gathers the parameters of a group that are at the same step, which are nearly always all of them, and a subclass
 * writes its formula once for such a list (`update`).
 *
 * Names decide what a state means, as in PyTorch: a state dict has `NAME.step` and `NAME.SLOT`. It can therefore be
 * loaded on another number of ranks, where each rank owns other parameters.
 *
 * A bfloat16 weight has 8 bits of mantissa, so an update of less than 1/256 of it is lost when it is added. With
 * `masterWeights`, the optimizer keeps a float32 copy of each such parameter, updates the copy, and rounds it into the
 * parameter (Micikevicius et al., 2018). Its state is float32 then, too.
 *
 * Step counts live in JavaScript. As tensors they would have to be read back in every step, which on a GPU waits for
 * it; they are written into tensors only when a state dict is asked for.
 */
import type { Parameter } from "../autograd/parameter.ts";
import { checkedOptions, OptionError, withoutUndefined } from "../errors/option-error.ts";
import type { StateDict } from "../nn/state-dict.ts";
import { roundEach } from "../tensor/kernels/foreach.ts";
import * as kernels from "../tensor/kernels/index.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { checkState } from "./optimizer-state.ts";

export type NamedParameter = readonly [name: string, parameter: Parameter];

/** Options that may be left out, or undefined. */
export type OptionalOptions<Options> = { [name in keyof Options]?: Options[name] | undefined };

/** Parameters with options of their own; an option that is left out is the optimizer's. */
export type ParameterGroup<Options> = OptionalOptions<Options> & {
  readonly parameters: readonly NamedParameter[];
};

/** Parameters by name, or groups of them with options of their own. */
export type OptimizerParameters<Options> = readonly NamedParameter[] | readonly ParameterGroup<Options>[];

interface CommonOptions {
  learningRate: number;
  /** Whether parameters in bfloat16 or float16 are updated as float32 copies, of which they are the rounded values. */
  masterWeights?: boolean;
}

/**
 * Parameters of one group that have a gradient and are at the same step, so that one call of a foreach kernel changes
 * all of them. A parameter that had no gradient in some step is behind the others.
 */
export interface StepGroup {
  /** The parameters, or their float32 copies. */
  readonly weights: readonly Tensor[];
  readonly gradients: readonly Tensor[];
  /** For each slot name, the state tensors of all parameters. */
  readonly slots: readonly (readonly Tensor[])[];
  /** 1 at a parameter's first step. */
  readonly step: number;
}

interface Group<Options> {
  readonly parameters: readonly NamedParameter[];
  readonly options: Options;
}

/** PyTorch's `state` of one parameter, owned by the optimizer. */
interface ParameterState {
  /** The float32 copy that is updated, if there is one. */
  readonly master: Tensor | undefined;
  /** For each slot name, a tensor of the shape and dtype of what is updated; initially 0. */
  readonly slots: readonly Tensor[];
  /** `numSteps` as a tensor, int64 [], written when the state dict is asked for. */
  readonly step: Tensor;
  numSteps: number;
}

/**
 * Changes parameters by their gradients. A parameter without a gradient stays as it is, as in PyTorch; a parameter that
 * comes under two names, as tied weights do, counts once. The optimizer owns its state, and the caller the parameters.
 */
export abstract class Optimizer<Options extends CommonOptions> {
  readonly groups: readonly Group<Options>[];
  #states = new Map<Parameter, ParameterState>();

  /**
   * @param kind What error messages call the optimizer.
   * @param defaults Every option that there is.
   * @throws OptionError for an option that does not exist, or when two parameters have the same name
   */
  constructor(
    kind: string,
    parameters: OptimizerParameters<Options>,
    defaults: Options,
    options: OptionalOptions<Options>,
  ) {
    const names = Object.keys(defaults) as (keyof Options & string)[];
    const chosen = { ...defaults, ...checkedOptions<object>(kind, options, names as never) };
    const groups = isGroups(parameters)
      ? checkedGroups(kind, parameters, names)
      : [{ parameters } as ParameterGroup<Options>];
    const seen = new Map<string | Parameter, Parameter>();
    this.groups = groups.map(({ parameters, ...options }) => ({
      parameters: parameters.filter((named) => isNew(named, seen)),
      options: { ...chosen, ...withoutUndefined(options) } as Options,
    }));
  }

  /** The names of the state tensors of each parameter of a group, as in PyTorch's `state`. */
  protected abstract slotNames(options: Options): readonly string[];

  /** Changes the parameters and their state tensors in place, within a scope. */
  protected abstract update(group: StepGroup, options: Options): void;

  /** Changes every parameter that has a gradient. */
  step(): void {
    for (const { parameters, options } of this.groups) {
      const numSlots = this.slotNames(options).length;
      const bySteps = new Map<number, Parameter[]>();
      for (const [, parameter] of parameters) {
        if (parameter.grad === null) continue;
        const step = ++this.#stateOf(parameter, numSlots, options).numSteps;
        const together = bySteps.get(step);
        if (together === undefined) bySteps.set(step, [parameter]);
        else together.push(parameter);
      }
      for (const [step, together] of bySteps)
        together[0]!.runtime.scope(() => {
          this.update(this.#stepGroup(together, numSlots, step), options);
          this.#roundMasters(together);
        });
    }
  }

  #roundMasters(parameters: readonly Parameter[]): void {
    const rounded = parameters.filter((parameter) => this.#states.get(parameter)!.master !== undefined);
    const masters = rounded.map((parameter) => this.#states.get(parameter)!.master!);
    roundEach(rounded, masters);
  }

  #stepGroup(parameters: readonly Parameter[], numSlots: number, step: number): StepGroup {
    const slots = Array.from({ length: numSlots }, (_, slot) =>
      parameters.map((parameter) => this.#states.get(parameter)!.slots[slot]!),
    );
    const weights = parameters.map((parameter) => this.#states.get(parameter)!.master ?? parameter);
    // Kernels on lists take one dtype.
    const gradients = parameters.map(({ grad }, i) => {
      const { dtype } = weights[i]!;
      return grad!.dtype === dtype ? grad! : kernels.toDtype(grad!, dtype);
    });
    return { weights, gradients, slots, step };
  }

  #stateOf(parameter: Parameter, numSlots: number, options: CommonOptions): ParameterState {
    let state = this.#states.get(parameter);
    if (state === undefined) {
      const { runtime } = parameter;
      state = runtime.scope(() => {
        const master = hasMaster(parameter, options)
          ? kernels.toDtype(parameter, "float32").share()
          : undefined;
        return {
          master,
          slots: Array.from({ length: numSlots }, () => kernels.zerosLike(master ?? parameter).share()),
          step: runtime.zeros([], "int64").share(),
          numSteps: 0,
        };
      });
      this.#states.set(parameter, state);
    }
    return state;
  }

  /** The learning rate of the first group; setting it sets that of all groups. */
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

  /**
   * The state of each parameter as `NAME.step` (int64 []), `NAME.SLOT` and, if it has a float32 copy, `NAME.master`:
   * the optimizer's own tensors, not copies.
   */
  stateDict(): StateDict {
    const dict: Record<string, Tensor> = {};
    for (const { parameters, options } of this.groups) {
      const slotNames = this.slotNames(options);
      for (const [name, parameter] of parameters) {
        const state = this.#states.get(parameter);
        if (state === undefined) continue;
        kernels.fillScalar_(state.step, state.numSteps);
        dict[`${name}.step`] = state.step;
        slotNames.forEach((slotName, slot) => {
          dict[`${name}.${slotName}`] = state.slots[slot]!;
        });
        if (state.master !== undefined) dict[`${name}.master`] = state.master;
      }
    }
    return dict;
  }

  /**
   * Copies a state that `stateDict` returned. A parameter that it says nothing about keeps the state it has.
   * @throws StateDictError with every key that does not fit; the state is then unchanged
   */
  loadStateDict(dict: StateDict): void {
    const loads = this.groups.flatMap(({ parameters, options }) => {
      const keys = ["step", ...this.slotNames(options)];
      return parameters
        .map(([name, parameter]) => {
          const all = hasMaster(parameter, options) ? [...keys, "master"] : keys;
          return { parameter, options, names: all.map((key) => `${name}.${key}`) };
        })
        .filter(({ names }) => names.some((name) => dict[name] !== undefined));
    });
    checkState(dict, loads);
    for (const { parameter, options, names } of loads) {
      const numSlots = this.slotNames(options).length;
      const [step, ...tensors] = names.map((name) => dict[name]!);
      const state = this.#stateOf(parameter, numSlots, options);
      state.numSteps = step!.item();
      const into = [...state.slots, ...(state.master ? [state.master] : [])];
      tensors.forEach((tensor, i) => {
        kernels.copy_(into[i]!, tensor);
      });
    }
  }

  /** Disposes the state, not the parameters. */
  dispose(): void {
    for (const { slots, step, master } of this.#states.values())
      for (const tensor of [step, ...slots, ...(master ? [master] : [])]) tensor.dispose();
    this.#states.clear();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/**
 * Two groups: matrices and tables with this weight decay, and norms and biases, which have one dimension, with none.
 */
export function weightDecayGroups(
  parameters: readonly NamedParameter[],
  weightDecay: number,
): { parameters: NamedParameter[]; weightDecay: number }[] {
  return [
    { parameters: parameters.filter(([, { shape }]) => shape.length >= 2), weightDecay },
    { parameters: parameters.filter(([, { shape }]) => shape.length < 2), weightDecay: 0 },
  ];
}

/** The groups, if none has an option that is not in `known`. @throws OptionError */
function checkedGroups<Options extends object>(
  kind: string,
  groups: readonly ParameterGroup<Options>[],
  known: readonly (keyof Options & string)[],
): readonly ParameterGroup<Options>[] {
  for (const [i, { parameters: _, ...options }] of groups.entries())
    checkedOptions(`group ${i} of ${kind}`, options as object, ["parameters", ...known] as never);
  return groups;
}

function hasMaster({ dtype }: Parameter, { masterWeights = false }: CommonOptions): boolean {
  return masterWeights && (dtype === "bfloat16" || dtype === "float16");
}

function isGroups<Options>(
  parameters: OptimizerParameters<Options>,
): parameters is readonly ParameterGroup<Options>[] {
  return parameters.length > 0 && !Array.isArray(parameters[0]);
}

function isNew([name, parameter]: NamedParameter, seen: Map<string | Parameter, Parameter>): boolean {
  if (seen.has(parameter)) return false;
  if (seen.has(name))
    throw new OptionError(
      `the parameters of an optimizer must have different names; got ${name} twice; give those of each module a prefix`,
    );
  seen.set(parameter, parameter).set(name, parameter);
  return true;
}
