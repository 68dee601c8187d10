// The parameters that a pipeline trains are those that its modules had when it was made: their holders were found
// then, and their values made equal. A parameter that no module knows (a private field, a closure), or that has taken
// another's place since, would be used, get gradients and never be trained, or be trained on one of its holders only.
// Neither can be right, so both are errors: the first when a gradient reaches it, the second at the start of a step.
import type { Leaf } from "../../autograd/graph.ts";
import { historyOf } from "../../autograd/graph.ts";
import type { Parameter } from "../../autograd/parameter.ts";
import { ModuleError } from "../../nn/errors.ts";
import type { Runtime } from "../../tensor/runtime.ts";
import { StepError } from "../errors/step-error.ts";
import type { StageModule } from "../stage/stage.ts";

type Named = readonly [name: string, parameter: Parameter];

export class OwnedParameters {
  readonly #rank: number;
  readonly #modules: ReadonlyMap<number, StageModule>;
  readonly #named: ReadonlyMap<number, readonly Named[]>;
  readonly #leaves: ReadonlySet<unknown>;

  constructor(rank: number, modules: ReadonlyMap<number, StageModule>) {
    this.#rank = rank;
    this.#modules = modules;
    this.#named = new Map([...modules].map(([stage, module]) => [stage, module.namedParameters()]));
    this.#leaves = new Set(
      [...this.#named.values()].flat().map(([, parameter]) => historyOf(parameter)?.source),
    );
  }

  /** @throws StepError when a stage has other parameters now, and names the first of them */
  checkUnchanged(): void {
    for (const [stage, module] of this.#modules) {
      const before = new Map(this.#named.get(stage));
      const now = new Map(module.namedParameters());
      for (const [name, parameter] of now)
        if (before.get(name) !== parameter)
          throw this.#changed(stage, name, before.has(name) ? "replaced" : "added", parameter.shape);
      for (const [name, parameter] of before)
        if (!now.has(name)) throw this.#changed(stage, name, "removed", parameter.shape);
    }
  }

  #changed(stage: number, name: string, how: string, shape: readonly number[]): StepError {
    return new StepError(
      "INVALID_INPUT",
      { rank: this.#rank, stage },
      `the parameter ${name} [${shape.join(", ")}] was ${how} after the pipeline was made; ` +
        "change the modules first, then make the pipeline and the optimizer",
    );
  }

  /** Runs `body`; a gradient in it that reaches a parameter of no module of this rank is a ModuleError. */
  guarding<T>(runtime: Runtime, body: () => T): T {
    const before = runtime.acceptLeaf;
    runtime.acceptLeaf = (leaf, gradient) => {
      if (this.#leaves.has(leaf as Leaf)) return;
      throw new ModuleError(
        `a gradient reached a parameter ${gradient.dtype}[${gradient.shape.join(", ")}] that belongs to no stage of this rank, so it would not be trained; ` +
          "keep it, or the layer that has it, in a property of the stage's module that is not private (# fields and closures cannot be found), " +
          "or freeze it: parameter.requiresGrad = false",
      );
    };
    try {
      return body();
    } finally {
      runtime.acceptLeaf = before;
    }
  }
}
