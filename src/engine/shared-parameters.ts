import type { Parameter } from "../autograd/parameter.ts";
import { bytesPerElement } from "../tensor/dtype.ts";
import * as kernels from "../tensor/kernels/index.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { ProcessGroup, Receipt } from "../transport/process-group.ts";
import { StepError } from "./errors.ts";
import type { StageModule } from "./stage-module.ts";

const DEFAULT_BUNDLE_BYTES_MAX = 25 * 1024 * 1024;

/** Parameters whose gradients become final together and travel in one message. */
interface Bundle {
  /** The stages that use them; more than one when a parameter is tied between stages of this rank. */
  readonly stages: readonly number[];
  readonly parameters: readonly Parameter[];
  /** The holder that counts them in a norm and saves them and, when updates are sharded, updates them. */
  readonly owner: number;
}

export interface SharedParametersOptions {
  /** All ranks that hold this rank's stages: its mirror, if it has one, and the ranks at these two places in each replica. */
  readonly holders: ProcessGroup;
  /** This rank, as messages call it. */
  readonly rank: number;
  /** The modules of this rank by stage; those of the other holders are of the same stages. */
  readonly modules: ReadonlyMap<number, StageModule>;
  /** Whether each parameter is updated by its owner alone, which alone gets the sum of its gradients. */
  readonly isSharded: boolean;
  /** The holder that owns a stage's parameters when they are not sharded. */
  readonly ownerOf: (stage: number) => number;
  /** The most that travels in one message, unless one parameter alone has more: while one is summed the next is on its way. */
  readonly bundleBytesMax?: number;
}

/**
 * The parameters of a rank that other ranks hold, too. All holders start equal, and their gradients are summed in the
 * order of the holders, so that whoever sums gets the same bits.
 *
 * Sharded, each parameter has its sum, its optimizer's state and its update at one holder only, which then gives the
 * others its new value: stage 1 of ZeRO (Rajbhandari et al., 2020). Whole parameters go to the holder that has the least
 * so far, the largest first, as in PyTorch's ZeroRedundancyOptimizer.
 */
export class SharedParameters {
  readonly #holders: ProcessGroup;
  readonly #rank: number;
  readonly #isSharded: boolean;
  readonly #bundles: readonly Bundle[];
  readonly #owned: ReadonlySet<Parameter>;
  #stagesLeft = new Set<number>();
  /** Gradients from before the step, by bundle: they were summed in the step that made them. */
  #before: (Tensor | null)[][] = [];

  constructor(options: SharedParametersOptions) {
    const { holders, rank, modules, isSharded, ownerOf } = options;
    const { bundleBytesMax = DEFAULT_BUNDLE_BYTES_MAX } = options;
    this.#holders = holders;
    this.#rank = rank;
    this.#isSharded = isSharded;
    const groups = groupByStages(modules);
    const owners = isSharded ? spread(groups, holders.size) : undefined;
    this.#bundles = groups.flatMap((group) => {
      const owner = (parameter: Parameter) => owners?.get(parameter) ?? ownerOf(group.stages[0]!);
      return bundlesOf(group, owner, bundleBytesMax);
    });
    this.#owned = new Set(
      this.#bundles.filter(({ owner }) => owner === holders.rank).flatMap(({ parameters }) => parameters),
    );
  }

  owns(parameter: Parameter): boolean {
    return this.#owned.has(parameter);
  }

  /** Gives all holders the values of the first; all must call it. @throws StepError when their parameters differ in number or shape. */
  equalize(): void {
    this.#checkSame();
    this.#distribute(() => 0);
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
      for (const holder of this.#others())
        if (this.#isSummedAt(holder, bundle)) this.#holders.send(holder, "weight-gradients", gradients);
    }
  }

  /**
   * At the end of a step: waits for the other holders' gradients and sums them.
   * @param doneOrder The stages in the order in which a holder is done with them.
   */
  end(doneOrder: (holder: number) => readonly number[]): void {
    const summed = this.#bundles.filter((bundle) => this.#isSummedAt(this.#holders.rank, bundle));
    const receipts = new Map<Bundle, (Receipt | undefined)[]>(summed.map((bundle) => [bundle, []]));
    for (const holder of this.#others()) {
      const order = doneOrder(holder);
      const doneAt = ({ stages }: Bundle): number => Math.max(...stages.map((stage) => order.indexOf(stage)));
      // Bundles that became final with the same stage were sent in the order in which all holders list them.
      for (const bundle of summed.toSorted((a, b) => doneAt(a) - doneAt(b)))
        receipts.get(bundle)![holder] = this.#holders.receive(holder, "weight-gradients");
    }
    this.#bundles.forEach((bundle, i) => {
      const ofOthers = receipts.get(bundle);
      if (ofOthers) this.#sum(bundle, ofOthers, this.#before[i]!);
      else for (const parameter of bundle.parameters) parameter.grad = null;
    });
    this.forget();
  }

  /** After the owners have updated their parameters: gives the others the new values. All holders must call it. */
  shareUpdates(): void {
    if (this.#isSharded) this.#distribute(({ owner }) => owner);
  }

  /** Lets go of what a step that failed had set aside. */
  forget(): void {
    for (const tensor of this.#before.flat()) tensor?.dispose();
    this.#before = [];
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
  #distribute(sourceOf: (bundle: Bundle) => number): void {
    const { runtime, rank } = this.#holders;
    for (const bundle of this.#bundles)
      if (sourceOf(bundle) === rank)
        runtime.scope(() => {
          // What is sent must stay as it is, and a parameter does not.
          const copies = bundle.parameters.map((parameter) => kernels.clone(parameter));
          for (const holder of this.#others()) this.#holders.send(holder, "weights", copies);
        });
    for (const bundle of this.#bundles) {
      const source = sourceOf(bundle);
      if (source === rank) continue;
      runtime.scope(() => {
        const values = this.#holders.receive(source, "weights").take();
        bundle.parameters.forEach((parameter, i) => {
          kernels.copy_(parameter, values[i]!);
        });
      });
    }
  }

  /** Before anything else travels, which would not fit: the first holder tells the others what its parameters are. */
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
          "MIRROR_MISMATCH",
          { rank: this.#rank },
          `its parameters are ${ours}, and those of another rank that holds the same stages ${text}; build both from the same configuration`,
        );
    });
  }
}

/** A new tensor: others may still be reading the parts when the sum is then clipped in place. */
function sum(parts: readonly Tensor[]): Tensor | null {
  const [first, second, ...more] = parts;
  if (first === undefined) return null;
  if (second === undefined) return kernels.clone(first);
  const total = kernels.add(first, second);
  for (const part of more) kernels.add_(total, part);
  return total;
}

interface StageGroup {
  readonly stages: readonly number[];
  readonly parameters: readonly Parameter[];
}

/** One group per stage, and one per set of stages that share parameters, in an order that all holders agree on. */
function groupByStages(modules: ReadonlyMap<number, StageModule>): StageGroup[] {
  const users = new Map<Parameter, number[]>();
  for (const stage of [...modules.keys()].sort((a, b) => a - b))
    for (const parameter of modules.get(stage)!.parameters())
      users.set(parameter, [...(users.get(parameter) ?? []), stage]);
  const groups = new Map<string, { stages: number[]; parameters: Parameter[] }>();
  for (const [parameter, stages] of users) {
    const key = stages.join(",");
    const group = groups.get(key);
    if (group) group.parameters.push(parameter);
    else groups.set(key, { stages, parameters: [parameter] });
  }
  return [...groups.values()].sort(
    (a, b) => a.stages.length - b.stages.length || a.stages[0]! - b.stages[0]!,
  );
}

/** The owner of each parameter: the largest first, each to the holder that has the fewest elements so far. */
function spread(groups: readonly StageGroup[], numHolders: number): Map<Parameter, number> {
  const numElements = new Array<number>(numHolders).fill(0);
  const largestFirst = groups
    .flatMap(({ parameters }) => parameters)
    .sort((a, b) => b.numElements - a.numElements);
  return new Map(
    largestFirst.map((parameter) => {
      const owner = numElements.indexOf(Math.min(...numElements));
      numElements[owner]! += parameter.numElements;
      return [parameter, owner];
    }),
  );
}

function bundlesOf(
  { stages, parameters }: StageGroup,
  ownerOf: (parameter: Parameter) => number,
  numBytesMax: number,
): Bundle[] {
  const bundles: { stages: readonly number[]; parameters: Parameter[]; owner: number }[] = [];
  const open = new Map<number, { parameters: Parameter[]; numBytes: number }>();
  for (const parameter of parameters) {
    const owner = ownerOf(parameter);
    const numBytes = parameter.numElements * bytesPerElement(parameter.dtype);
    let current = open.get(owner);
    if (current === undefined || current.numBytes + numBytes > numBytesMax) {
      current = { parameters: [], numBytes: 0 };
      open.set(owner, current);
      bundles.push({ stages, parameters: current.parameters, owner });
    }
    current.parameters.push(parameter);
    current.numBytes += numBytes;
  }
  return bundles;
}
