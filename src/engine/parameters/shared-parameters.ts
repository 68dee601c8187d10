// Parameters that several ranks hold: their gradients are summed, and their updates shared.
//
// A rank's mirror and the same rank of each replica hold the same parameters. In the end each must have the sum of all
// gradients, and equal values after the update. An all-reduce after the step would do it, and would leave the links
// idle during the step and the computation idle afterwards. It also sums in an order of its own, so that holders differ
// in the last bit and drift apart.
//
// So gradients travel in bundles while the step runs: as soon as the last W of a stage has made a bundle final, it goes
// to every holder that sums it, which adds them up at the end of the step in the order of the holders (holders.ts).
// Every holder adds the same numbers in the same order, and gets the same bits. While one bundle is summed, the next is
// on its way, hence a limit on their size.
//
// Sharded (stage 1 of ZeRO: Rajbhandari et al., 2020), each parameter has one owner, to which alone its gradients go.
// The owner sums, holds the optimizer's state, updates, and sends the new value to the others. That is half the traffic
// for gradients and a fraction of the state. Whole parameters are owned, the largest first by the holder that has the
// least so far, as in PyTorch's ZeroRedundancyOptimizer.
//
// Invariants: all holders have the same bundles in the same order, and expect one another's bundles in the order in
// which they are sent. Gradients from earlier steps were summed then, and are set aside until this step's sum is made.
import { historyOf, type Leaf } from "../../autograd/graph.ts";
import type { Parameter } from "../../autograd/parameter.ts";
import * as kernels from "../../tensor/kernels/index.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { ProcessGroup, Receipt } from "../../transport/process-group.ts";
import { StepError } from "../errors/step-error.ts";
import type { StageModule } from "../stage/stage.ts";
import type { StepObserver } from "../step-observer.ts";
import { type Bundle, bundlesOf, inSendingOrder } from "./bundles.ts";

const DEFAULT_BUNDLE_BYTES_MAX = 25 * 1024 * 1024;

export interface SharedParametersOptions {
  /** All ranks that hold this rank's stages, this one included. */
  readonly holders: ProcessGroup;
  /** This rank, as messages call it. */
  readonly rank: number;
  /** The modules of this rank by stage; those of the other holders are of the same stages. */
  readonly modules: ReadonlyMap<number, StageModule>;
  /** Whether each parameter is updated by its owner alone, which alone gets the sum of its gradients. */
  readonly isSharded: boolean;
  /** The holder that owns a stage's parameters when they are not sharded. */
  readonly ownerOf: (stage: number) => number;
  /** The most that travels in one message, unless one parameter alone has more. */
  readonly bundleBytesMax?: number;
}

export class SharedParameters implements StepObserver {
  readonly #holders: ProcessGroup;
  readonly #rank: number;
  readonly #isSharded: boolean;
  readonly #bundles: readonly Bundle[];
  readonly #owned: ReadonlySet<Parameter>;
  readonly #bundleOf: ReadonlyMap<unknown, Bundle>;
  /** The stages whose gradients are not complete. */
  #stagesLeft = new Set<number>();
  /** How many gradients of each bundle are not final; those that were sent are not here. */
  readonly #unsent = new Map<Bundle, number>();
  /** Gradients from before the step, by bundle. */
  #before: (Tensor | null)[][] = [];
  /** The runtime's count of changes when all holders last had equal values. */
  #equalAt = -1;
  /** What all ranks call the step. */
  #step = "";

  constructor(options: SharedParametersOptions) {
    const { holders, rank, bundleBytesMax = DEFAULT_BUNDLE_BYTES_MAX } = options;
    this.#holders = holders;
    this.#rank = rank;
    this.#isSharded = options.isSharded;
    this.#bundles = bundlesOf({ ...options, numHolders: holders.size, bundleBytesMax });
    this.#bundleOf = new Map(
      this.#bundles.flatMap((bundle) => bundle.parameters.map((each) => [historyOf(each)?.source, bundle])),
    );
    this.#owned = new Set(
      this.#bundles.filter(({ owner }) => owner === holders.rank).flatMap(({ parameters }) => parameters),
    );
  }

  owns(parameter: Parameter): boolean {
    return this.#owned.has(parameter);
  }

  /**
   * Gives all holders the values of the first; all must call it.
   * @throws StepError HOLDER_MISMATCH when their parameters differ in number, dtype or shape.
   */
  equalize(): void {
    this.#checkSame();
    this.#distribute(() => 0, "the first values");
  }

  /**
   * Call at the start of a step.
   * @throws StepError when updates are sharded, and an optimizer has changed parameters whose other holders still have
   * the old values. Values that are copied into them, or changed in those of other owners too, come from elsewhere.
   */
  checkUpdatesShared(): void {
    if (!this.#isSharded) return;
    const isChanged = ({ changes }: Parameter): boolean =>
      changes !== undefined && changes.at > this.#equalAt;
    const updated = [...this.#owned].filter((each) => isChanged(each) && each.changes!.by !== "aten::copy_");
    const all = this.#bundles.flatMap(({ parameters }) => parameters);
    if (updated.length === 0 || all.some((each) => !this.owns(each) && isChanged(each))) return;
    throw new StepError(
      "UPDATES_NOT_SHARED",
      { rank: this.#rank },
      `${updated.length} of its parameters were updated after the last shareUpdates, and the other ranks that hold them have ` +
        "their old values; with shardUpdates, call pipe.shareUpdates() on every rank after the optimizer's step",
    );
  }

  /** Call when a step has begun. @param step What all ranks call it. */
  begin(step: string): void {
    this.#step = step;
    this.#stagesLeft = new Set(this.#bundles.flatMap(({ stages }) => stages));
    for (const bundle of this.#bundles)
      this.#unsent.set(bundle, bundle.parameters.filter(({ requiresGrad }) => requiresGrad).length);
    this.#before = this.#bundles.map(({ parameters }) =>
      parameters.map((parameter) => {
        const before = parameter.grad?.share() ?? null;
        parameter.grad = null;
        return before;
      }),
    );
  }

  /** Call when W adds no more to a gradient: sends what is final, in order; it travels while W goes on. */
  gradientFinal(leaf: Leaf): void {
    const bundle = this.#bundleOf.get(leaf);
    // What several stages share is complete with the last of them.
    if (bundle === undefined || bundle.stages.length > 1) return;
    this.#unsent.set(bundle, this.#unsent.get(bundle)! - 1);
    for (const next of this.#unsentOf(bundle.stages[0]!)) {
      if (this.#unsent.get(next)! > 0 || next.stages.length > 1) return;
      this.#send(next);
    }
  }

  /** Sends the bundles that are complete with this stage and were not sent before. */
  gradientsComplete(stage: number): void {
    this.#stagesLeft.delete(stage);
    for (const bundle of this.#unsentOf(stage))
      if (!bundle.stages.some((other) => this.#stagesLeft.has(other))) this.#send(bundle);
  }

  #unsentOf(stage: number): Bundle[] {
    const ofStage = this.#bundles.filter((each) => each.stages.includes(stage) && this.#unsent.has(each));
    return inSendingOrder(ofStage, [stage]);
  }

  #send(bundle: Bundle): void {
    this.#unsent.delete(bundle);
    const gradients = bundle.parameters.map((parameter) => parameter.grad);
    for (const holder of this.#others())
      if (this.#isSummedAt(holder, bundle))
        this.#holders.send(holder, "weight-gradients", gradients, this.#labelOf(bundle));
  }

  /**
   * Call at the end of a step: waits for the other holders' gradients and sums them.
   * @param completionOrder The stages in the order in which a holder completes their gradients.
   */
  end(completionOrder: (holder: number) => readonly number[]): void {
    const summed = this.#bundles.filter((bundle) => this.#isSummedAt(this.#holders.rank, bundle));
    const receipts = new Map<Bundle, (Receipt | undefined)[]>(summed.map((bundle) => [bundle, []]));
    for (const holder of this.#others())
      for (const bundle of inSendingOrder(summed, completionOrder(holder)))
        receipts.get(bundle)![holder] = this.#holders.receive(
          holder,
          "weight-gradients",
          this.#labelOf(bundle),
        );
    // In the order in which the bundles of one of the others arrive: on a card, no sum waits behind a later one.
    for (const bundle of inSendingOrder(this.#bundles, completionOrder(this.#others()[0]!))) {
      const ofOthers = receipts.get(bundle);
      if (ofOthers) this.#sum(bundle, ofOthers, this.#before[this.#bundles.indexOf(bundle)]!);
      else for (const parameter of bundle.parameters) parameter.grad = null;
    }
    this.forget();
  }

  /** Call on all holders when the owners have updated their parameters: gives the others the new values. */
  shareUpdates(label: string): void {
    if (this.#isSharded) this.#distribute(({ owner }) => owner, label);
  }

  /** Frees what a failed step had set aside. */
  forget(): void {
    for (const tensor of this.#before.flat()) tensor?.dispose();
    this.#before = [];
  }

  #labelOf(bundle: Bundle): string {
    return `${this.#step}: the weight gradients of bundle ${this.#bundles.indexOf(bundle)}`;
  }

  #others(): number[] {
    return Array.from({ length: this.#holders.size }, (_, holder) => holder).filter(
      (holder) => holder !== this.#holders.rank,
    );
  }

  #isSummedAt(holder: number, { owner }: Bundle): boolean {
    return !this.#isSharded || owner === holder;
  }

  #sum(
    { parameters }: Bundle,
    receipts: readonly (Receipt | undefined)[],
    before: readonly (Tensor | null)[],
  ): void {
    const { runtime } = this.#holders;
    runtime.scope(() => {
      const messages = Array.from({ length: this.#holders.size }, (_, holder) => receipts[holder]?.take());
      parameters.forEach((parameter, i) => {
        const parts = messages.map((message) => (message ? message[i]! : parameter.grad));
        const all = sum(parts.filter((part) => part !== null));
        const earlier = before[i]!;
        const total = all !== null && earlier !== null ? kernels.add(earlier, all) : (all ?? earlier);
        parameter.grad = total?.share() ?? null;
      });
    });
  }

  /** One holder's values of each bundle become those of all. */
  #distribute(sourceOf: (bundle: Bundle) => number, label: string): void {
    const { runtime, rank } = this.#holders;
    for (const bundle of this.#bundles)
      if (sourceOf(bundle) === rank)
        runtime.scope(() => {
          // A sent tensor must not change, and a parameter does.
          const copies = bundle.parameters.map((parameter) => kernels.clone(parameter));
          for (const holder of this.#others()) this.#holders.send(holder, "weights", copies, label);
        });
    for (const bundle of this.#bundles) {
      const source = sourceOf(bundle);
      if (source === rank) continue;
      runtime.scope(() => {
        const values = this.#holders.receive(source, "weights", label).take();
        bundle.parameters.forEach((parameter, i) => {
          kernels.copy_(parameter, values[i]!);
        });
      });
    }
    this.#equalAt = runtime.nextNodeIndex();
  }

  /**
   * The first holder tells the others the dtypes and shapes of its parameters, before values travel that would not fit.
   */
  #checkSame(): void {
    const { runtime, rank } = this.#holders;
    const parameters = this.#bundles.flatMap((bundle) => bundle.parameters);
    const ours = Buffer.from(parameters.map(({ dtype, shape }) => `${dtype} [${shape}]`).join(", "));
    runtime.scope(() => {
      if (rank === 0) {
        const message = [runtime.fromArray(ours, [ours.length], "uint8")];
        for (const holder of this.#others()) this.#holders.send(holder, "control", message);
        return;
      }
      const [theirs] = this.#holders.receive(0, "control").take();
      const text = Buffer.from(runtime.readBytes(theirs!)).toString();
      if (text !== ours.toString())
        throw new StepError(
          "HOLDER_MISMATCH",
          { rank: this.#rank },
          `its parameters are ${ours}, and those of another rank that holds the same stages ${text}; build both from the same configuration`,
        );
    });
  }
}

/** A new tensor: other holders may still be reading the parts when the sum is clipped in place. */
function sum(parts: readonly Tensor[]): Tensor | null {
  const [first, second, ...more] = parts;
  if (first === undefined) return null;
  if (second === undefined) return kernels.clone(first);
  const total = kernels.add(first, second);
  for (const part of more) kernels.add_(total, part);
  return total;
}
