import { checkedOptions } from "../errors/option-error.ts";
import type { Runtime } from "../tensor/runtime.ts";
import type { Suspendable } from "../tensor/suspension.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { ModuleError } from "./errors.ts";
import { type AnyModule, Module } from "./module.ts";

/** Runs modules one after the other, each on the output of the one before. Their names are `0`, `1`, ... */
export class Sequential extends Module {
  readonly #modules: readonly Module[];

  constructor(runtime: Runtime, ...modules: readonly Module[]) {
    super(runtime);
    this.#modules = modules;
  }

  *forward(x: Tensor): Suspendable<Tensor> {
    for (const module of this.#modules) x = yield* module.start(x);
    return x;
  }

  protected override *parts(): Generator<[string, Module]> {
    for (const [index, module] of this.#modules.entries()) yield [String(index), module];
  }
}

/**
 * A list of modules that another module owns and calls itself. Their names are their positions, which start at
 * `firstIndex`: the layers of a stage keep the numbers that they have in the whole model.
 */
export class ModuleList<M extends AnyModule> extends Module<[], never> {
  readonly #modules: readonly M[];
  readonly #firstIndex: number;

  constructor(
    runtime: Runtime,
    modules: readonly M[],
    options: { readonly firstIndex?: number | undefined } = {},
  ) {
    super(runtime);
    this.#modules = modules;
    this.#firstIndex = checkedOptions("ModuleList", options, ["firstIndex"]).firstIndex ?? 0;
  }

  /** @throws ModuleError always: a list has no forward of its own. */
  forward(): never {
    throw new ModuleError("a ModuleList cannot be called; call the modules in it, or use Sequential");
  }

  [Symbol.iterator](): IterableIterator<M> {
    return this.#modules[Symbol.iterator]();
  }

  protected override *parts(): Generator<[string, M]> {
    for (const [index, module] of this.#modules.entries()) yield [String(this.#firstIndex + index), module];
  }
}
