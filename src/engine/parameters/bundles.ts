import type { Parameter } from "../../autograd/parameter.ts";
import { bytesPerElement } from "../../tensor/dtype.ts";
import type { StageModule } from "../stage/stage.ts";

/** Parameters whose gradients are complete at the same time and travel in one message. */
export interface Bundle {
  /** The stages that use them; more than one when a parameter is tied between stages of this rank. */
  readonly stages: readonly number[];
  readonly parameters: readonly Parameter[];
  /** The holder that counts them in a norm and saves them and, when updates are sharded, updates them. */
  readonly owner: number;
}

export interface BundleOptions {
  /** The modules of a rank by stage. */
  readonly modules: ReadonlyMap<number, StageModule>;
  readonly numHolders: number;
  /** Whether owners are spread over all holders; otherwise a stage's parameters all have the owner of the stage. */
  readonly isSharded: boolean;
  readonly ownerOf: (stage: number) => number;
  /** The most that one bundle has, unless one parameter alone has more. */
  readonly bundleBytesMax: number;
}

/** The bundles of a rank, the same and in the same order on every holder. */
export function bundlesOf({
  modules,
  numHolders,
  isSharded,
  ownerOf,
  bundleBytesMax,
}: BundleOptions): Bundle[] {
  const usages = usagesOf(modules);
  const owners = isSharded ? spread(usages, numHolders) : undefined;
  return usages.flatMap((usage) => {
    const owner = (parameter: Parameter) => owners?.get(parameter) ?? ownerOf(usage.stages[0]!);
    return cut(usage, owner, bundleBytesMax);
  });
}

/**
 * Bundles in the order in which a holder sends them, which completes stages in `completionOrder`: within a stage the
 * last in the list first, as W computes the last layer first, and at the end what several stages share.
 * @param bundles In the order of the list, which is the same for all holders.
 */
export function inSendingOrder(bundles: readonly Bundle[], completionOrder: readonly number[]): Bundle[] {
  const completedAt = ({ stages }: Bundle): number =>
    Math.max(...stages.map((stage) => completionOrder.indexOf(stage)));
  return bundles
    .toReversed()
    .sort((a, b) => completedAt(a) - completedAt(b) || a.stages.length - b.stages.length);
}

/** Parameters that the same stages use. */
interface Usage {
  readonly stages: readonly number[];
  readonly parameters: readonly Parameter[];
}

/** One usage per stage, and one per set of stages that share parameters, in an order that all holders agree on. */
function usagesOf(modules: ReadonlyMap<number, StageModule>): Usage[] {
  const users = new Map<Parameter, number[]>();
  for (const stage of [...modules.keys()].sort((a, b) => a - b))
    for (const parameter of modules.get(stage)!.parameters())
      users.set(parameter, [...(users.get(parameter) ?? []), stage]);
  const usages = new Map<string, { stages: number[]; parameters: Parameter[] }>();
  for (const [parameter, stages] of users) {
    const key = stages.join(",");
    const usage = usages.get(key);
    if (usage) usage.parameters.push(parameter);
    else usages.set(key, { stages, parameters: [parameter] });
  }
  return [...usages.values()].sort(
    (a, b) => a.stages.length - b.stages.length || a.stages[0]! - b.stages[0]!,
  );
}

/** The owner of each parameter: the largest first, each to the holder that has the fewest elements so far. */
function spread(usages: readonly Usage[], numHolders: number): Map<Parameter, number> {
  const numElements = new Array<number>(numHolders).fill(0);
  const largestFirst = usages
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

function cut(
  { stages, parameters }: Usage,
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
