/**
 * What a node keeps for its backward, and for how long.
 *
 * Freeing it all after the backward would keep weights through the time between I and W, in which a pipeline holds the
 * most. So each tensor has the halves, as bits, whose gradients need it, and is freed after the last of them. Tensors
 * are shared, not copied: an owner more keeps the elements, and a change in place is noticed.
 */
import type { Tensor } from "../tensor/tensor.ts";
import { AutogradError } from "./autograd-error.ts";
import { INPUTS, type InHalf, WEIGHTS } from "./halves.ts";

/**
 * A tensor to keep for the backward, and the names of the inputs whose gradients need it: all inputs if none is
 * named.
 */
export type NamedSave<InputName extends string> =
  | Tensor
  | null
  | readonly [tensor: Tensor | null, ...neededFor: InputName[]];

/** A tensor to keep for the backward, and the positions of the inputs whose gradients need it. */
export type Save = readonly [tensor: Tensor, ...neededFor: number[]];

/** Saved tensors by name or by position; null for one that no wanted gradient needs. */
export type SavedByKey = Readonly<Record<string, Tensor | null>> | readonly (Tensor | null)[];

type Edges = readonly (InHalf | undefined)[];

/**
 * How long a saved tensor is kept: until the last half with a gradient that needs it ("needed"); that, but at least
 * until the node has run once ("first run"); or until the last half in which the node runs ("whole").
 */
export type SavedLifetime = "needed" | "first run" | "whole";

/** What a node keeps for its backward: owners of tensors, each until the last half that needs it has run. */
export class SavedTensors {
  /** What a rule reads: null for a tensor that no gradient needs, a disposed one for a tensor that was released. */
  readonly byKey: SavedByKey;
  readonly #tensors: (Tensor | null)[];
  /** For each tensor, the halves whose gradients need it, as bits. */
  readonly #halves: readonly number[];
  /** Is freed after the last half in which the node runs. */
  readonly #resource: Disposable | undefined;

  constructor(
    byKey: SavedByKey,
    tensors: (Tensor | null)[],
    halves: readonly number[],
    resource?: Disposable,
  ) {
    this.byKey = byKey;
    this.#tensors = tensors;
    this.#halves = halves;
    this.#resource = resource;
  }

  /**
   * Takes over `saves`, which becomes what the rule reads. Filling a new object by names that are known only at run
   * time made the backward of a small `mul` or `linear` up to 10 % slower.
   */
  static byName(
    saves: Readonly<Record<string, NamedSave<string>>>,
    inputKeys: readonly string[],
    edges: Edges,
    lifetime: SavedLifetime,
    resource?: Disposable,
  ): SavedTensors {
    const keys = Object.keys(saves);
    if (keys.length === 0 && resource === undefined) return NOTHING;
    const byKey = saves as Record<string, Tensor | null>;
    const allHalves = lifetime === "whole" ? halvesOf(edges) : 0;
    const tensors = new Array<Tensor | null>(keys.length);
    const halves = new Array<number>(keys.length);
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i]!;
      const save = saves[key]!;
      const tensor = isForSome(save) ? save[0] : save;
      const neededIn = isForSome(save) ? halvesOfInputs(save, inputKeys, edges) | allHalves : ALL_HALVES;
      const saved = tensor === null || neededIn === 0 ? null : tensor.share();
      halves[i] = neededIn;
      tensors[i] = saved;
      byKey[key] = saved;
    }
    return new SavedTensors(byKey, tensors, halves, resource);
  }

  static byPosition(
    saves: readonly Save[],
    edges: Edges,
    lifetime: SavedLifetime,
    resource?: Disposable,
  ): SavedTensors {
    if (saves.length === 0 && resource === undefined) return NOTHING;
    const allHalves = lifetime === "whole" ? halvesOf(edges) : 0;
    const halves = saves.map(([, ...neededFor]) =>
      neededFor.reduce((union, input) => union | (edges[input]?.half ?? 0), allHalves),
    );
    const isKept = (i: number) => halves[i] !== 0 || lifetime === "first run";
    const tensors = saves.map(([tensor], i) => (isKept(i) ? tensor.share() : null));
    return new SavedTensors(tensors, tensors, halves, resource);
  }

  get length(): number {
    return this.#tensors.length;
  }

  at(position: number): Tensor | null {
    return this.#tensors[position] ?? null;
  }

  /** @throws AutogradError when one of the tensors was changed in place after this node index */
  checkUnchanged(node: string, index: number): void {
    for (const tensor of this.#tensors) {
      const changes = tensor?.changes;
      if (changes !== undefined && changes.at > index)
        throw new AutogradError(
          "SAVED_TENSOR_CHANGED",
          `the backward of ${node} needs a tensor that ${changes.by} changed in place after the forward; ` +
            "run the backward before the change, or change a copy",
        );
    }
  }

  /** Frees what no gradient of the remaining halves needs. */
  release(remaining: number): void {
    if (remaining === 0) this.#resource?.[Symbol.dispose]();
    for (let i = 0; i < this.#tensors.length; i++) {
      const tensor = this.#tensors[i]!;
      if (tensor === null || (this.#halves[i]! & remaining) !== 0) continue;
      tensor.dispose();
      this.#tensors[i] = null;
    }
  }
}

/** Every half that a node may have. */
const ALL_HALVES = INPUTS | WEIGHTS;
const NOTHING = new SavedTensors([], [], []);

function halvesOf(edges: Edges): number {
  return edges.reduce((union, edge) => union | (edge?.half ?? 0), 0);
}

function isForSome(
  save: NamedSave<string>,
): save is readonly [tensor: Tensor | null, ...neededFor: string[]] {
  return Array.isArray(save);
}

function halvesOfInputs(
  save: readonly [Tensor | null, ...string[]],
  inputKeys: readonly string[],
  edges: Edges,
): number {
  let halves = 0;
  for (let i = 1; i < save.length; i++) halves |= edges[inputKeys.indexOf(save[i] as string)]?.half ?? 0;
  return halves;
}
