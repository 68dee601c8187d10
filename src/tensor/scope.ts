/**
 * Who frees a tensor, and when.
 *
 * JavaScript's garbage collector cannot: it sees a handle of a few bytes, not the megabytes behind it, and runs when it
 * likes. Freeing each intermediate by hand fails too: an expression such as `add(mul(a, b), c)` has no name for what must
 * be freed. So tensors belong to scopes. A scope owns every tensor made while it is the current one, and disposes them
 * when it ends, except those that its body returns, which the scope around it then owns. Whether a step leaks is decided
 * by the program alone, never by the collector: each step ends with as many tensors as it started with, and tests count.
 *
 * Two things outlive their scope without being returned. `tensor.share()` makes another owner that no scope knows; its
 * caller disposes it. And the graph shares what a backward will need, and disposes it when the backward has used it.
 *
 * A disposed tensor throws when it is used, in TypeScript, before native code is called.
 */
import { Tensor } from "./tensor.ts";

/** Owns the tensors made while it is the current scope, and disposes at its end those that are not kept. */
export class Scope {
  /** The scope that gets what is kept; a suspended computation ends in another scope than it started in. */
  parent: Scope | undefined;
  #owned: Tensor[] = [];

  constructor(parent: Scope | undefined) {
    this.parent = parent;
  }

  own(tensor: Tensor): void {
    this.#owned.push(tensor);
  }

  /** Disposes its tensors, except those in `kept` (a tensor, or arrays and plain objects of them), which go to the parent. */
  end(kept: unknown): void {
    const survivors = new Set<Tensor>();
    collectTensors(kept, survivors);
    for (const tensor of this.#owned) {
      if (!survivors.has(tensor)) tensor.dispose();
      else this.parent?.own(tensor);
    }
    this.#owned = [];
  }
}

/** Adds every tensor in a tensor, an array or a plain object, at any depth. */
function collectTensors(value: unknown, found: Set<Tensor>): void {
  if (value instanceof Tensor) found.add(value);
  else if (Array.isArray(value)) for (const element of value) collectTensors(element, found);
  else if (isPlainObject(value)) for (const element of Object.values(value)) collectTensors(element, found);
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}
