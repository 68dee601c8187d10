// Which gradients are final while W still runs.
//
// The last W of a stage makes its weight gradients final one after another, the last layer's first. If they were sent
// at its end, all of them would travel when nothing is left to compute. So the uses of each leaf are counted
// before the walk, and when the last one is visited the leaf is final.
//
// The count is right only if the walk visits the nodes that it starts with and no others. A weight that was computed
// from parameters, or a checkpoint, adds nodes on the way; then nothing is said before the end.
import { Leaf, type Node } from "./graph.ts";
import { WEIGHTS } from "./halves.ts";

export class FinalLeaves {
  readonly #usesLeft: ReadonlyMap<Leaf, { count: number }>;
  readonly #onFinal: (leaf: Leaf) => void;

  private constructor(usesLeft: ReadonlyMap<Leaf, { count: number }>, onFinal: (leaf: Leaf) => void) {
    this.#usesLeft = usesLeft;
    this.#onFinal = onFinal;
  }

  /** @param nodes All that W starts with. @returns Undefined when others may join them. */
  static of(nodes: readonly Node[], onFinal: (leaf: Leaf) => void): FinalLeaves | undefined {
    const usesLeft = new Map<Leaf, { count: number }>();
    for (const node of nodes) {
      if (node.innerBackward !== undefined) return undefined;
      for (const edge of node.edges) {
        if (edge === undefined || (edge.half & WEIGHTS) === 0) continue;
        if (!(edge.target instanceof Leaf)) return undefined;
        const uses = usesLeft.get(edge.target);
        if (uses === undefined) usesLeft.set(edge.target, { count: 1 });
        else uses.count++;
      }
    }
    return new FinalLeaves(usesLeft, onFinal);
  }

  /** Call when W has visited a node. */
  visited(node: Node): void {
    for (const edge of node.edges) {
      if (edge === undefined || !(edge.target instanceof Leaf)) continue;
      const uses = this.#usesLeft.get(edge.target);
      if (uses !== undefined && --uses.count === 0) this.#onFinal(edge.target);
    }
  }
}
