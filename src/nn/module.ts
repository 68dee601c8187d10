// A part of a model knows what it is made of without being told: its parameters and modules are the values of its own
// properties. A list that the author keeps by hand would be wrong as soon as one entry is forgotten, and a parameter
// that is not found is used and never trained, without any sign. So what can be searched is searched: arrays, plain
// objects, Maps and Sets, at any depth (parts.ts). What cannot be, private fields and closures, a pipeline notices
// when a gradient arrives there.
import { Parameter } from "../autograd/parameter.ts";
import type { Runtime } from "../tensor/runtime.ts";
import { finish, isSuspendable, type Suspendable } from "../tensor/suspension.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { ModuleBuffer } from "./module-buffer.ts";
import { partsIn } from "./parts.ts";
import { type LoadReport, loadState, type StateDict } from "./state-dict.ts";

/** What a module is made of: its parameters and submodules, by name. */
type Parts = Iterable<readonly [name: string, part: unknown]>;

/** What a state dict holds. */
type State = Parameter | ModuleBuffer;

/** A module of any inputs and outputs. */
export type AnyModule = Module<never, unknown>;

/**
 * A part of a model. Properties that are parameters, buffers or modules, or hold them in arrays, plain objects, Maps or
 * Sets, belong to it, under their own names; private fields (`#inner`) and closures cannot be found, and so are not
 * trained. Each call is a scope: the outputs, and what their backward needs, outlive it, and every other tensor made
 * in it is disposed.
 *
 * A `forward` that communicates is a generator function. It yields each transfer, and calls a child that communicates
 * with `yield* child.start(x)`.
 *
 * @example
 * class Residual extends Module {
 *   readonly inner = new Linear(this.runtime, 8, 8);
 *   forward(x: Tensor): Tensor {
 *     return add(x, this.inner.call(x));
 *   }
 * }
 *
 * @example
 * // Two tensors in, two out: what one stage returns, the next one takes.
 * class TwoStreams extends Module<[Tensor, Tensor], readonly [Tensor, Tensor]> {
 *   readonly inner = new Linear(this.runtime, 8, 8);
 *   forward(x: Tensor, y: Tensor): readonly [Tensor, Tensor] {
 *     return [y, add(x, this.inner.call(y))];
 *   }
 * }
 */
export abstract class Module<
  Inputs extends readonly (Tensor | null | undefined)[] = [Tensor],
  Output = Tensor,
> {
  readonly runtime: Runtime;
  #training = true;

  constructor(runtime: Runtime) {
    this.runtime = runtime;
  }

  abstract forward(...inputs: Inputs): Output | Suspendable<Output>;

  /** Runs `forward` to its end, waiting where it communicates. */
  call(...inputs: Inputs): Output {
    const result = this.callOrStart(...inputs);
    return isSuspendable<Output>(result) ? finish(result) : result;
  }

  /** Runs `forward` up to each transfer, which it yields, so that its caller can run something else in the meantime. */
  *start(...inputs: Inputs): Suspendable<Output> {
    const result = this.callOrStart(...inputs);
    return isSuspendable<Output>(result) ? yield* result : result;
  }

  /** `call` when `forward` communicates with no other rank, otherwise `start`: a plain forward stays a plain call. */
  callOrStart(...inputs: Inputs): Output | Suspendable<Output> {
    return this.runtime.scopeUntilDone(() => this.forward(...inputs));
  }

  /** True until `eval()`, and again after `train()`. */
  get training(): boolean {
    return this.#training;
  }

  /** Sets this module and all modules in it to training: dropout drops. */
  train(): this {
    return this.#setTraining(true, new Set());
  }

  /** Sets this module and all modules in it to evaluation. */
  eval(): this {
    return this.#setTraining(false, new Set());
  }

  #setTraining(training: boolean, done: Set<AnyModule>): this {
    this.#training = training;
    done.add(this);
    for (const [, child] of this.namedChildren()) if (!done.has(child)) child.#setTraining(training, done);
    return this;
  }

  /**
   * What can be a parameter or a submodule, by name: the module's own properties. Arrays, plain objects, Maps and
   * Sets are searched, at any depth. A container overrides this.
   */
  protected parts(): Parts {
    return Object.entries(this);
  }

  /** The parameters, buffers and modules among `parts`, at any depth of what holds them. */
  *#found(): Generator<[string, State | AnyModule], void, void> {
    for (const [name, part] of this.parts()) yield* partsIn(name, part, isStateOrModule);
  }

  /** The modules in this one, but not those in them. */
  *namedChildren(): Generator<[string, AnyModule], void, void> {
    for (const [name, part] of this.#found()) if (part instanceof Module) yield [name, part];
  }

  /**
   * Every parameter with its dotted name, as PyTorch names it. A parameter that several modules share comes once, under
   * its first name, or under all of its names without `removeDuplicate`.
   */
  namedParameters({ removeDuplicate = true } = {}): [string, Parameter][] {
    return this.#named(removeDuplicate).filter(
      (named): named is [string, Parameter] => named[1] instanceof Parameter,
    );
  }

  /** Every buffer with its dotted name, likewise. */
  namedBuffers({ removeDuplicate = true } = {}): [string, ModuleBuffer][] {
    return this.#named(removeDuplicate).filter(
      (named): named is [string, ModuleBuffer] => named[1] instanceof ModuleBuffer,
    );
  }

  #named(removeDuplicate: boolean): [string, State][] {
    const named: [string, State][] = [];
    this.#collect("", named, new Set());
    if (!removeDuplicate) return named;
    const seen = new Set<State>();
    return named.filter(([, state]) => !seen.has(state) && seen.add(state));
  }

  /** @param within The modules around this one: a module may refer to its parent. */
  #collect(prefix: string, named: [string, State][], within: ReadonlySet<AnyModule>): void {
    const [buffers, children]: [[string, State][], [string, AnyModule][]] = [[], []];
    const inside = new Set(within).add(this);
    for (const [name, part] of this.#found()) {
      if (part instanceof Parameter) named.push([prefix + name, part]);
      else if (part instanceof ModuleBuffer) buffers.push([prefix + name, part]);
      else if (!inside.has(part)) children.push([name, part]);
    }
    named.push(...buffers);
    for (const [name, child] of children) child.#collect(`${prefix}${name}.`, named, inside);
  }

  /** Each parameter once, in the order of the names. */
  parameters(): Parameter[] {
    return this.namedParameters().map(([, parameter]) => parameter);
  }

  /** Parameters and buffers by all of their names, in PyTorch's order: the module's own tensors, not copies. */
  stateDict(): StateDict {
    return Object.fromEntries(this.#named(false));
  }

  /**
   * Copies the values of `dict` into the parameters and buffers, converting the dtype.
   * @throws StateDictError with every key that does not fit; they are then unchanged
   */
  loadStateDict(dict: StateDict, { strict = true } = {}): LoadReport {
    return loadState(this.constructor.name, this.#named(false), dict, strict ? "strict" : "loose");
  }

  /**
   * Freezes all parameters: their gradients are dropped and none are computed, so an optimizer leaves them as they are.
   *
   * @example
   * model.freeze();
   * block.unfreeze(); // trains this part alone
   */
  freeze(): this {
    for (const parameter of this.parameters()) parameter.requiresGrad = false;
    return this;
  }

  /** Undoes `freeze`, for all parameters or those of one part. */
  unfreeze(): this {
    for (const parameter of this.parameters()) parameter.requiresGrad = true;
    return this;
  }

  /** Disposes all gradients. */
  zeroGrad(): void {
    for (const parameter of this.parameters()) parameter.grad = null;
  }

  /** Disposes the parameters, their gradients and the buffers, shared ones too. */
  dispose(): void {
    for (const [, state] of this.#named(true)) state.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

function isStateOrModule(value: unknown): value is State | AnyModule {
  return value instanceof Parameter || value instanceof ModuleBuffer || value instanceof Module;
}
