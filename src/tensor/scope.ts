/**
 * Who frees a tensor, and when.
 *
 * JavaScript's garbage collector cannot: it sees a handle of a few bytes, not the megabytes behind it, and runs when it
 * likes. Freeing each intermediate by hand fails too: an expression such as `add(mul(a, b), c)` has no name for what
 * must be freed. So tensors belong to scopes. A scope owns every tensor made while it is the current one, and disposes
 * them when it ends, except those that its body returns, which the scope around it then owns. Whether a step leaks is
 * decided by the program alone, never by the collector: each step ends with as many tensors as it started with, and
 * tests count.
 *
 * Two things outlive their scope without being returned. `tensor.share()` makes another owner that no scope knows; its
 * caller disposes it. And the graph shares what a backward will need, and disposes it when the backward has used it.
 *
 * A disposed tensor throws when it is used, in TypeScript, before native code is called.
 */
import type { Addon } from "../native/addon.ts";
import { ArgumentError } from "./errors.ts";
import { isSuspendable, type Suspendable } from "./suspension.ts";
import { Tensor } from "./tensor.ts";
import { UnownedTensors } from "./unowned.ts";

/**
 * The type of a body that must not be async: a promise continues after its scope has ended, without its tensors. A
 * generator can do what an async function is wanted for (suspension.ts).
 */
export type SynchronousBody<T> = (() => T) &
  ([T] extends [never]
    ? unknown
    : T extends PromiseLike<unknown>
      ? { readonly "the body must not be async": never }
      : unknown);

/**
 * The same at run time, for programs without types.
 * @param name What refuses it, as the error names it.
 * @throws ArgumentError when `result` is a promise
 */
export function refusePromise<T>(name: string, result: T): T {
  if (!(result instanceof Promise)) return result;
  // What the promise still does fails too, with errors that say less than this one.
  result.catch(() => {});
  throw new ArgumentError(
    `${name} must not be async: after the first await, its tensors are disposed or its mode is over; ` +
      "await first and compute afterwards, or dispose tensors by `using`",
  );
}

/** Owns the tensors made while it is the current scope, and disposes at its end those that are not kept. */
class Scope {
  /** The scope that gets what is kept; a suspended computation ends in another scope than it started in. */
  parent: Scope | undefined;
  #owned: Tensor[] = [];

  constructor(parent: Scope | undefined) {
    this.parent = parent;
  }

  own(tensor: Tensor): void {
    this.#owned.push(tensor);
  }

  /**
   * Disposes its tensors, except those in `kept` (a tensor, or arrays and plain objects of them), which go to the
   * parent, or without one to `scopes`.
   */
  end(kept: unknown, scopes: Scopes): void {
    // Most scopes keep one tensor or none.
    const only = kept instanceof Tensor ? kept : undefined;
    const survivors = only === undefined && isContainer(kept) ? new Set<Tensor>() : undefined;
    if (survivors !== undefined) collectTensors(kept, survivors);
    for (const tensor of this.#owned) {
      if (tensor !== only && survivors?.has(tensor) !== true) tensor.dispose();
      else if (this.parent !== undefined) this.parent.own(tensor);
      else scopes.leaveUnowned(tensor);
    }
    this.#owned = [];
  }
}

/** The scopes of one thread: which one is current, and when it ends. */
export abstract class Scopes {
  #scope: Scope | undefined = undefined;
  /** Where it is meant that no scope owns a tensor. */
  #isOutsideOnPurpose = false;
  readonly #unowned: UnownedTensors;

  constructor(addon: Addon) {
    this.#unowned = new UnownedTensors(addon);
  }

  /** The scope that new tensors belong to; undefined outside of every scope. */
  get currentScope(): Scope | undefined {
    return this.#scope;
  }

  /**
   * Runs `body` and disposes every tensor made in it, except those that it returns (in arrays and plain objects, too),
   * which go to the scope around it, and those that a backward will need.
   * @throws ArgumentError when `body` is async
   */
  scope<T>(body: SynchronousBody<T>): T {
    const scope = new Scope(this.#scope);
    this.#scope = scope;
    let kept: T | undefined;
    try {
      kept = refusePromise("the body of a scope", body());
      return kept;
    } finally {
      this.#scope = scope.parent;
      scope.end(kept, this);
    }
  }

  /**
   * `scope` for a computation that can be suspended: its scope is the current one only while it runs. Ending it early,
   * with `return()` of the generator, disposes everything that it made.
   */
  suspendableScope<Y, T>(body: Generator<Y, T, void>): Generator<Y, T, void> {
    return this.#resumed(new Scope(undefined), body);
  }

  /**
   * `scope` for a body that may return a suspended computation: the scope then stays open until that has ended, like
   * that of `suspendableScope`. A body that returns anything else runs without a generator.
   */
  scopeUntilDone<T>(body: () => T | Suspendable<T>): T | Suspendable<T> {
    const outer = this.#scope;
    const scope = new Scope(outer);
    this.#scope = scope;
    let kept: T | undefined;
    let isDone = true;
    try {
      const result = body();
      if (isSuspendable<T>(result)) {
        isDone = false;
        return this.#resumed(scope, result);
      }
      kept = refusePromise("the forward of a module", result as T);
      return kept;
    } finally {
      this.#scope = outer;
      if (isDone) scope.end(kept, this);
    }
  }

  /** Runs `body` outside of every scope: no scope of the caller owns what it makes or receives. */
  outsideScopes<T>(body: () => T): T {
    const [outer, wasOnPurpose] = [this.#scope, this.#isOutsideOnPurpose];
    this.#scope = undefined;
    this.#isOutsideOnPurpose = true;
    try {
      return body();
    } finally {
      this.#scope = outer;
      this.#isOutsideOnPurpose = wasOnPurpose;
    }
  }

  /** Gives a new tensor to the current scope. */
  protected own(tensor: Tensor): Tensor {
    if (this.#scope === undefined) this.leaveUnowned(tensor);
    else this.#scope.own(tensor);
    return tensor;
  }

  /** Takes note of a tensor that no scope owns, and that nothing may ever free. */
  leaveUnowned(tensor: Tensor): void {
    if (!this.#isOutsideOnPurpose) this.#unowned.add(tensor);
  }

  /** Continues `body` in its scope, which is the current one only while it runs. */
  *#resumed<Y, T>(scope: Scope, body: Generator<Y, T, void>): Generator<Y, T, void> {
    let kept: T | undefined;
    try {
      for (;;) {
        const outer = this.#scope;
        scope.parent = outer;
        this.#scope = scope;
        let step: IteratorResult<Y, T>;
        try {
          step = body.next();
        } finally {
          this.#scope = outer;
        }
        if (step.done) {
          kept = step.value;
          return kept;
        }
        yield step.value;
      }
    } finally {
      body.return(undefined as T);
      scope.end(kept, this);
    }
  }
}

/** Adds every tensor in a tensor, an array or a plain object, at any depth. */
function collectTensors(value: unknown, found: Set<Tensor>): void {
  if (value instanceof Tensor) found.add(value);
  else if (Array.isArray(value)) for (const element of value) collectTensors(element, found);
  else if (isPlainObject(value)) for (const element of Object.values(value)) collectTensors(element, found);
}

function isContainer(value: unknown): boolean {
  return Array.isArray(value) || isPlainObject(value);
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}
