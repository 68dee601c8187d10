import type { Runtime } from "../tensor/runtime.ts";
import type { Suspendable } from "../tensor/suspension.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type AnyModule, Module } from "./module.ts";

/** Modules one after the other, each on the output of the one before; named `0`, `1`, ... */
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

/** Modules that another module calls by itself; named by their positions, which start at `firstIndex`. */
export class ModuleList<M extends AnyModule> extends Module<[], never> {
  readonly #modules: readonly M[];
  readonly #firstIndex: number;

  constructor(
    runtime: Runtime,
    modules: readonly M[],
    { firstIndex = 0 }: { readonly firstIndex?: number } = {},
  ) {
    super(runtime);
    this.#modules = modules;
    this.#firstIndex = firstIndex;
  }

  forward(): never {
    throw new TypeError("dualpipe: a ModuleList cannot be called; call the modules in it, or use Sequential");
  }

  [Symbol.iterator](): IterableIterator<M> {
    return this.#modules[Symbol.iterator]();
  }

  protected override *parts(): Generator<[string, M]> {
    for (const [index, module] of this.#modules.entries()) yield [String(this.#firstIndex + index), module];
  }
}
