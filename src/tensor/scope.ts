import { Tensor } from "./tensor.ts";

/** Owns the tensors that are made while it is the current one, and disposes at its end those that are not kept. */
export class Scope {
  parent: Scope | undefined;
  #owned: Tensor[] = [];

  constructor(parent: Scope | undefined) {
    this.parent = parent;
  }

  own(tensor: Tensor): void {
    this.#owned.push(tensor);
  }

  /** Disposes all but the tensors found in `kept` (a tensor, or arrays and plain objects of them), which go to the parent. */
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
