import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { failOnLeaks } from "../../test/leak-guard.ts";
import { TensorDisposedError } from "./errors.ts";
import { Runtime } from "./runtime.ts";
import type { Tensor } from "./tensor.ts";

const runtime = Runtime.load();
const numLive = failOnLeaks(runtime);

describe("a scope", () => {
  test("disposes at its end what was made in it", () => {
    let inside: Tensor | undefined;
    runtime.scope(() => {
      inside = runtime.ones([2]);
    });
    expect(inside!.disposed).toBe(true);
    expect(() => inside!.toArray()).toThrow(TensorDisposedError);
    expect(() => inside!.handle).toThrow("its scope has ended");
  });

  test("keeps what is returned, at any depth of arrays and plain objects, for the scope around it", () => {
    runtime.scope(() => {
      const kept = runtime.scope(() => {
        runtime.ones([1]);
        return {
          a: runtime.full([], 1),
          list: [runtime.full([], 2), { b: runtime.full([], 3) }],
          none: null,
        };
      });
      expect(kept.a.item()).toBe(1);
      expect((kept.list[0] as Tensor).item()).toBe(2);
      expect((kept.list[1] as { b: Tensor }).b.item()).toBe(3);
      expect(numLive()).toBe(3);
    });
  });

  test("leaves what was made before it alone", () => {
    runtime.scope(() => {
      const before = runtime.ones([1]);
      runtime.scope(() => runtime.zeros([1]));
      expect(before.item()).toBe(1);
    });
  });

  test("disposes everything when its body throws, and the scope around it is current again", () => {
    runtime.scope(() => {
      const outer = runtime.currentScope;
      const caught = () =>
        runtime.scope(() => {
          runtime.ones([2]);
          runtime.scope(() => {
            runtime.ones([3]);
            throw new Error("planted");
          });
        });
      expect(caught).toThrow("planted");
      expect(runtime.currentScope).toBe(outer);
      expect(numLive()).toBe(0);
    });
  });

  test("does not dispose what was shared out of it", () => {
    const shared = runtime.scope(() => {
      const inside = runtime.full([], 5);
      const other = inside.share();
      inside.dispose();
      return other;
    });
    expect(shared.item()).toBe(5);
    shared.dispose();
  });
});

test("any nesting of scopes keeps exactly what each returns", () => {
  interface Tree {
    readonly numMade: number;
    readonly numKept: number;
    readonly throws: boolean;
    readonly children: readonly Tree[];
  }
  const { tree } = fc.letrec<{ tree: Tree }>((tie) => ({
    tree: fc.record({
      numMade: fc.integer({ min: 0, max: 3 }),
      numKept: fc.integer({ min: 0, max: 3 }),
      throws: fc.boolean(),
      children: fc.oneof({ depthSize: "small" }, fc.constant([]), fc.array(tie("tree"), { maxLength: 3 })),
    }),
  }));
  const grow = (node: Tree): Tensor[] =>
    runtime.scope(() => {
      const made = Array.from({ length: node.numMade }, (_, i) => runtime.full([], i));
      for (const child of node.children) {
        try {
          made.push(...grow(child));
        } catch (error) {
          expect((error as Error).message).toBe("planted");
        }
      }
      if (node.throws) throw new Error("planted");
      return made.slice(0, node.numKept);
    });
  fc.assert(
    fc.property(tree, (root) => {
      const kept = runtime.scope(() => {
        try {
          const tensors = grow(root);
          expect(tensors.every((tensor) => !tensor.disposed)).toBe(true);
          expect(numLive()).toBe(tensors.length);
          return tensors;
        } catch {
          expect(numLive()).toBe(0);
          return [];
        }
      });
      for (const tensor of kept) tensor.dispose();
      expect(numLive()).toBe(0);
    }),
  );
});

describe("a suspendable scope", () => {
  function* steps(): Generator<string, Tensor, void> {
    const first = runtime.full([], 1);
    yield "first";
    runtime.full([], 2);
    yield `second ${first.item()}`;
    return runtime.full([], 3);
  }

  test("owns what its body makes, and nothing that is made while it is suspended", () => {
    runtime.scope(() => {
      const scope = runtime.suspendableScope(steps());
      const outer = runtime.currentScope;
      scope.next();
      expect(runtime.currentScope).toBe(outer);
      const between = runtime.full([], 7);
      expect(scope.next().value).toBe("second 1");
      const last = scope.next();
      expect(last.done).toBe(true);
      expect((last.value as Tensor).item()).toBe(3);
      expect(between.item()).toBe(7);
      expect(numLive()).toBe(2);
    });
  });

  test("hands its result to the scope in which it ends", () => {
    const scope = runtime.suspendableScope(steps());
    runtime.scope(() => scope.next());
    runtime.scope(() => scope.next());
    runtime.scope(() => expect((scope.next().value as Tensor).item()).toBe(3));
    expect(numLive()).toBe(0);
  });

  test("frees everything when it is ended early", () => {
    const scope = runtime.suspendableScope(steps());
    scope.next();
    expect(numLive()).toBe(1);
    scope.return(undefined as never);
    expect(numLive()).toBe(0);
  });

  test("ends what is suspended inside of it when it is ended early", () => {
    let isCleanedUp = false;
    const scope = runtime.suspendableScope(
      (function* () {
        try {
          yield* runtime.suspendableScope(steps());
        } finally {
          isCleanedUp = true;
        }
      })(),
    );
    scope.next();
    expect(numLive()).toBe(1);
    scope.return();
    expect(isCleanedUp).toBe(true);
    expect(numLive()).toBe(0);
  });

  test("frees everything when its body throws after a suspension", () => {
    const scope = runtime.suspendableScope(
      (function* () {
        runtime.ones([2]);
        yield 1;
        throw new Error("planted");
      })(),
    );
    scope.next();
    expect(() => scope.next()).toThrow("planted");
    expect(numLive()).toBe(0);
  });

  test("two of them, resumed in turn, keep their tensors apart", () => {
    runtime.scope(() => {
      const scopes = [runtime.suspendableScope(steps()), runtime.suspendableScope(steps())];
      for (const _ of [1, 2]) for (const scope of scopes) scope.next();
      expect(numLive()).toBe(4);
      scopes[0]!.next();
      expect(numLive()).toBe(3);
      expect((scopes[1]!.next().value as Tensor).item()).toBe(3);
      expect(numLive()).toBe(2);
    });
  });
});
