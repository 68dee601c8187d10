import type { Parameter } from "../autograd/parameter.ts";
import { operator } from "../tensor/operator.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { ProcessGroup } from "../transport/process-group.ts";
import { StepError } from "./errors.ts";
import type { StageModule } from "./stage-module.ts";

const ADD = operator("aten::add", "Tensor");
const CLONE = operator("aten::clone");
const COPY_INPLACE = operator("aten::copy_");

/** Parameters whose gradients become final together and travel in one message. */
interface Bundle {
  /** The stages that use them; more than one when a parameter is tied between stages of this rank. */
  readonly stages: readonly number[];
  readonly parameters: readonly Parameter[];
}

/**
 * The parameters of a rank whose stages another rank, the mirror, holds too. Both start equal, and at the end of a step
 * both have the sum of the two gradients: `a + b` and `b + a` are the same bits.
 */
export class MirroredParameters {
  readonly #group: ProcessGroup;
  readonly #mirror: number;
  readonly #bundles: readonly Bundle[];
  #stagesLeft = new Set<number>();
  /** Gradients from before the step, by bundle: they were summed in the step that made them. */
  #before: (Tensor | null)[][] = [];

  /** @param modules The modules of this rank by stage; the mirror's are of the same stages. */
  constructor(group: ProcessGroup, mirror: number, modules: ReadonlyMap<number, StageModule>) {
    this.#group = group;
    this.#mirror = mirror;
    this.#bundles = bundlesOf(modules);
  }

  /** Gives both holders the values of the lower rank; both must call it. @throws StepError when their parameters differ in number or shape. */
  equalize(): void {
    const { runtime, rank } = this.#group;
    const parameters = this.#bundles.flatMap((bundle) => bundle.parameters);
    runtime.scope(() => {
      if (rank < this.#mirror) {
        const copies = parameters.map((parameter) => runtime.call(CLONE, parameter));
        this.#group.send(this.#mirror, "parameters", copies);
        return;
      }
      const values = this.#group.receive(this.#mirror, "parameters").take();
      this.#checkSame(parameters, values);
      parameters.forEach((parameter, i) => {
        runtime.callInPlace(COPY_INPLACE, parameter, values[i]!);
      });
    });
  }

  /** At the start of a step. */
  begin(): void {
    this.#stagesLeft = new Set(this.#bundles.flatMap(({ stages }) => stages));
    this.#before = this.#bundles.map(({ parameters }) =>
      parameters.map((parameter) => {
        const before = parameter.grad?.share() ?? null;
        parameter.grad = null;
        return before;
      }),
    );
  }

  /** The last W of a stage is done: what is final travels while the rest of the step runs. */
  stageDone(stage: number): void {
    this.#stagesLeft.delete(stage);
    for (const bundle of this.#bundles) {
      if (!bundle.stages.includes(stage) || bundle.stages.some((other) => this.#stagesLeft.has(other)))
        continue;
      const gradients = bundle.parameters.map((parameter) => parameter.grad);
      this.#group.send(this.#mirror, "parameters", gradients);
    }
  }

  /**
   * At the end of a step: waits for the mirror's gradients and adds them.
   * @param mirrorOrder The stages in the order in which the mirror is done with them.
   */
  end(mirrorOrder: readonly number[]): void {
    const doneAt = (bundle: Bundle): number =>
      Math.max(...bundle.stages.map((stage) => mirrorOrder.indexOf(stage)));
    const { runtime } = this.#group;
    // Bundles that became final with the same stage were sent in the order in which both ranks list them.
    const arriving = this.#bundles
      .map((bundle, i) => ({ bundle, i }))
      .sort((a, b) => doneAt(a.bundle) - doneAt(b.bundle));
    for (const { bundle, i } of arriving) {
      runtime.scope(() => {
        const theirs = this.#group.receive(this.#mirror, "parameters").take();
        bundle.parameters.forEach((parameter, j) => {
          const both = sum(parameter.grad, theirs[j] ?? null);
          const before = this.#before[i]![j]!;
          const total = both !== null && before !== null ? runtime.call(ADD, before, both) : (both ?? before);
          parameter.grad = total?.share() ?? null;
        });
      });
    }
    this.forget();
  }

  /** Lets go of what a step that failed had set aside. */
  forget(): void {
    for (const tensor of this.#before.flat()) tensor?.dispose();
    this.#before = [];
  }

  #checkSame(parameters: readonly Parameter[], values: readonly (Tensor | null)[]): void {
    const ours = parameters.map(({ shape }) => `[${shape}]`).join(" ");
    const theirs = values.map((value) => `[${value?.shape}]`).join(" ");
    if (ours !== theirs)
      throw new StepError(
        "MIRROR_MISMATCH",
        { rank: this.#group.rank },
        `its parameters have the shapes ${ours} and those of rank ${this.#mirror}, which holds the same stages, ${theirs}; build both from the same configuration`,
      );
  }
}

/** Never one of the two itself: each rank may still be reading what the other then clips in place. */
function sum(ours: Tensor | null, theirs: Tensor | null): Tensor | null {
  const { runtime } = ours ?? theirs ?? {};
  if (runtime === undefined) return null;
  return ours !== null && theirs !== null
    ? runtime.call(ADD, ours, theirs)
    : runtime.call(CLONE, ours ?? theirs);
}

/** One bundle per stage, and one per set of stages that share parameters, in an order that both holders agree on. */
function bundlesOf(modules: ReadonlyMap<number, StageModule>): Bundle[] {
  const users = new Map<Parameter, number[]>();
  for (const stage of [...modules.keys()].sort((a, b) => a - b))
    for (const parameter of modules.get(stage)!.parameters())
      users.set(parameter, [...(users.get(parameter) ?? []), stage]);
  const bundles = new Map<string, { stages: number[]; parameters: Parameter[] }>();
  for (const [parameter, stages] of users) {
    const key = stages.join(",");
    const bundle = bundles.get(key);
    if (bundle) bundle.parameters.push(parameter);
    else bundles.set(key, { stages, parameters: [parameter] });
  }
  return [...bundles.values()].sort(
    (a, b) => a.stages.length - b.stages.length || a.stages[0]! - b.stages[0]!,
  );
}
