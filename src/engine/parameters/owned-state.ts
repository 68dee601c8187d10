// The parameters that a pipeline trains, and the buffers that it shares, are those that its modules had when it was
// made: their holders were found then, and their values made equal. A parameter that no module knows (a private field,
// a closure), or that has taken another's place since, would be used, get gradients and never be trained, or be trained
// on one of its holders only. A buffer that has taken another's place would differ between its holders, while the old
// one is shared. Neither can be right, so both are errors: the first when a gradient reaches it, the second at the
// start of a step. A step that is forward only does not ask for parameters, which it leaves as they are.
import type { Leaf } from "../../autograd/graph.ts";
import { historyOf } from "../../autograd/graph.ts";
import type { Parameter } from "../../autograd/parameter.ts";
import { ModuleError } from "../../nn/errors.ts";
import type { ModuleBuffer } from "../../nn/module-buffer.ts";
import type { Runtime } from "../../tensor/runtime.ts";
import { StepError } from "../errors/step-error.ts";
import type { StageModule } from "../stage/stage.ts";

type Kind = "parameter" | "buffer";
type Named = readonly [name: string, state: Parameter | ModuleBuffer];

/** How each kind can change, and what to do instead. */
const CHANGES = {
  parameter: {
    added: "added",
    replaced: "replaced",
    removed: "removed",
    remedy: "change the modules first, then make the pipeline and the optimizer",
  },
  buffer: {
    added: "added",
    replaced: "replaced",
    removed: "removed, or replaced by what is no ModuleBuffer,",
    remedy:
      "to give it other values, change it in place (runtime.callInPlace, loadStateDict); " +
      "otherwise change the modules first, then make the pipeline",
  },
} as const;

export class OwnedState {
  readonly #rank: number;
  readonly #modules: ReadonlyMap<number, StageModule>;
  readonly #named: Readonly<Record<Kind, ReadonlyMap<number, readonly Named[]>>>;
  readonly #leaves: ReadonlySet<unknown>;

  constructor(rank: number, modules: ReadonlyMap<number, StageModule>) {
    this.#rank = rank;
    this.#modules = modules;
    const namedIn = (kind: Kind) =>
      new Map([...modules].map(([stage, module]) => [stage, namesIn(kind, module)]));
    this.#named = { parameter: namedIn("parameter"), buffer: namedIn("buffer") };
    this.#leaves = new Set(
      [...this.#named.parameter.values()].flat().map(([, parameter]) => historyOf(parameter)?.source),
    );
  }

  /**
   * @param training Whether the step that begins trains.
   * @throws StepError when a stage has other parameters or buffers now, and names the first of them
   */
  checkUnchanged(training: boolean): void {
    if (training) this.#check("parameter");
    this.#check("buffer");
  }

  #check(kind: Kind): void {
    for (const [stage, module] of this.#modules) {
      const before = new Map(this.#named[kind].get(stage));
      const now = new Map(namesIn(kind, module));
      for (const [name, state] of now)
        if (before.get(name) !== state)
          throw this.#changed(kind, stage, name, before.has(name) ? "replaced" : "added", state.shape);
      for (const [name, state] of before)
        if (!now.has(name)) throw this.#changed(kind, stage, name, "removed", state.shape);
    }
  }

  #changed(
    kind: Kind,
    stage: number,
    name: string,
    how: "added" | "replaced" | "removed",
    shape: readonly number[],
  ): StepError {
    const { [how]: changed, remedy } = CHANGES[kind];
    return new StepError(
      "INVALID_INPUT",
      { rank: this.#rank, stage },
      `the ${kind} ${name} [${shape.join(", ")}] was ${changed} after the pipeline was made; ${remedy}`,
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

function namesIn(kind: Kind, module: StageModule): readonly Named[] {
  return kind === "parameter" ? module.namedParameters() : module.namedBuffers();
}
