import { describe, expect, test } from "vitest";
import { failOnLeaks } from "../../test/leak-guard.ts";
import { TensorDisposedError } from "./errors.ts";
import { operator } from "./native-operator.ts";
import { Runtime } from "./runtime.ts";

const runtime = Runtime.load();
const numLive = failOnLeaks(runtime);

describe("the last owner frees the elements", () => {
  test("whichever it is, and disposing twice does nothing", () => {
    const first = runtime.full([2], 4);
    const second = first.share();
    expect(numLive()).toBe(1);
    first.dispose();
    first.dispose();
    expect(second.toArray()).toEqual([4, 4]);
    second.dispose();
    expect(numLive()).toBe(0);
  });

  test("at the end of a block with `using`", () => {
    {
      using tensor = runtime.ones([2]);
      expect(tensor.shape).toEqual([2]);
    }
    expect(numLive()).toBe(0);
  });

  test("and their bytes", () => {
    const { liveBytes } = runtime.device.memory();
    const tensor = runtime.ones([1000], "float64");
    expect(runtime.device.memory().liveBytes).toBe(liveBytes + 8000);
    const view = runtime.call(operator("aten::slice", "Tensor"), tensor, 0, 0, 1, 1);
    tensor.dispose();
    expect(runtime.device.memory().liveBytes).toBe(liveBytes + 8000);
    view.dispose();
    expect(runtime.device.memory().liveBytes).toBe(liveBytes);
  });
});

test("a disposed tensor is an error wherever it is used, but its shape and dtype stay known", () => {
  const tensor = runtime.ones([2, 3]);
  expect([tensor.shape, tensor.dtype]).toEqual([[2, 3], "float32"]);
  tensor.dispose();
  const neg = operator("aten::neg");
  const uses = [
    () => tensor.handle,
    () => tensor.share(),
    () => tensor.toArray(),
    () => tensor.item(),
    () => runtime.call(neg, tensor),
    () => runtime.call(operator("aten::cat"), [tensor], 0),
  ];
  for (const use of uses) expect(use).toThrow(TensorDisposedError);
  expect([tensor.shape, tensor.dtype, tensor.numElements, tensor.numBytes]).toEqual([
    [2, 3],
    "float32",
    6,
    24,
  ]);
});

test("a stale handle is an error of the native table, also when its slot is used again", () => {
  const tensor = runtime.ones([2]);
  const { handle } = tensor;
  tensor.dispose();
  expect(() => runtime.addon.shape(handle)).toThrow(/was freed already/);
  const next = runtime.zeros([2]);
  expect(next.handle).not.toBe(handle);
  expect(() => runtime.addon.toBytes(handle)).toThrow(/was freed already/);
  expect(() => runtime.addon.free(handle)).toThrow(/was freed already/);
  expect(() => runtime.addon.shape(2 ** 19)).toThrow(/no tensor of this thread has the handle/);
  next.dispose();
});

describe("a tensor is its elements' sole owner", () => {
  const contiguous = operator("aten::contiguous");
  const transpose = operator("aten::t");

  test("until it is shared, or seen through a view", () => {
    runtime.scope(() => {
      const tensor = runtime.ones([2, 3]);
      expect(tensor.isSoleOwner).toBe(true);
      const shared = tensor.share();
      expect(tensor.isSoleOwner).toBe(false);
      shared.dispose();
      expect(tensor.isSoleOwner).toBe(true);
      const view = runtime.call(transpose, tensor);
      expect([tensor.isSoleOwner, view.isSoleOwner]).toEqual([false, false]);
      tensor.dispose();
      expect(view.isSoleOwner).toBe(true);
    });
  });

  test("until an operator returns that very tensor, or a mailbox holds it", () => {
    runtime.scope(() => {
      const tensor = runtime.ones([2, 3]);
      const same = runtime.call(contiguous, tensor);
      expect([tensor.isSoleOwner, same.isSoleOwner]).toEqual([false, false]);
      same.dispose();
      expect(tensor.isSoleOwner).toBe(true);
      const { mailbox } = runtime.addon;
      const office = mailbox.open("sole owner", 1);
      mailbox.put(office, 0, [tensor.handle]);
      expect(tensor.isSoleOwner).toBe(false);
      runtime.addon.free(mailbox.take(office, 0, 1000)[0]!);
      expect(tensor.isSoleOwner).toBe(true);
      mailbox.close("sole owner", "the test is over");
    });
  });
});
