import { expect, test } from "vitest";
import { failOnLeaks } from "../../test/leak-guard.ts";
import {
  add,
  cat,
  div,
  linear,
  matmul,
  maximum,
  mseLoss,
  mul,
  stack,
  sub,
  where,
} from "../autograd/index.ts";
import { ArgumentError, LibTorchError } from "./errors.ts";
import { type Operator, operator } from "./native-operator.ts";
import { Runtime } from "./runtime.ts";
import type { Tensor } from "./tensor.ts";

const runtime = Runtime.load();
failOnLeaks(runtime);

/** Every small whole number, and every number that is a handle now or was one. */
function fillHandles(): void {
  for (let i = 0; i < 50; i++) runtime.tensor([100, 200]);
}

const x = () => runtime.tensor([1, 2]);

test.each<[string, () => Tensor, number[]]>([
  ["add", () => runtime.call(operator("aten::add", "Tensor"), x(), 1), [2, 3]],
  ["add with alpha", () => runtime.call(operator("aten::add", "Tensor"), x(), 1, 3), [4, 5]],
  ["mul", () => runtime.call(operator("aten::mul", "Tensor"), x(), 2), [2, 4]],
  ["sub of a fraction", () => runtime.call(operator("aten::sub", "Tensor"), x(), 0.5), [0.5, 1.5]],
  ["div", () => runtime.call(operator("aten::div", "Tensor"), x(), 2), [0.5, 1]],
  ["gt", () => runtime.call(operator("aten::gt", "Tensor"), x(), 1), [0, 1]],
  ["gt of a negative number", () => runtime.call(operator("aten::gt", "Tensor"), x(), -1), [1, 1]],
  ["pow of a number", () => runtime.call(operator("aten::pow", "Tensor_Tensor"), 2, x()), [2, 4]],
  [
    "where",
    () => runtime.call(operator("aten::where", "self"), runtime.tensor([1, 0], [2], "bool"), x(), -7),
    [1, -7],
  ],
])("a number takes the place of a tensor where PyTorch takes one: %s", (_, compute, values) => {
  runtime.scope(() => {
    fillHandles();
    const y = compute();
    expect(y.toArray()).toEqual(values);
  });
});

test("a number leaves the dtype to the tensor, and in place the tensor keeps its elements", () => {
  runtime.scope(() => {
    fillHandles();
    const int64 = runtime.tensor([1, 2], [2], "int64");
    expect(runtime.call(operator("aten::add", "Tensor"), int64, 1).dtype).toBe("int64");
    expect(runtime.call(operator("aten::add", "Tensor"), int64, 1.5).dtype).toBe("float32");
    const half = runtime.ones([2], "bfloat16");
    expect(runtime.call(operator("aten::mul", "Tensor"), half, 1.5).dtype).toBe("bfloat16");
    const y = x();
    runtime.callInPlace(operator("aten::mul_", "Tensor"), y, 3);
    expect(y.toArray()).toEqual([3, 6]);
  });
});

test.each<[string, () => unknown, RegExp]>([
  [
    "mm",
    () => runtime.call(operator("aten::mm"), runtime.ones([2, 2]), 1),
    /^aten::mm\(float32\[2, 2\], 1\): mat2 must be a tensor, and this operator takes no number for it; got 1; make it a tensor, such as runtime.full\(\[\], 1\); its schema is aten::mm\(Tensor self, Tensor mat2\) -> Tensor$/,
  ],
  ["maximum", () => runtime.call(operator("aten::maximum"), x(), 3), /other must be a tensor/],
  [
    "the first argument",
    () => runtime.call(operator("aten::add", "Tensor"), 1, x()),
    /self must be a tensor/,
  ],
  [
    "an argument that may be null",
    () => runtime.callMany(operator("aten::native_layer_norm"), x(), [2], 3, null, 1e-5),
    /weight must be a tensor/,
  ],
  [
    "a list",
    () => runtime.call(operator("aten::cat"), [x(), 1] as never, 0),
    /aten::cat: the list in argument 0 must have only tensors in it; got the number 1 at position 1/,
  ],
  [
    "a list of numbers",
    () => runtime.call(operator("aten::cat"), [1, 2], 0),
    /a list of tensors; got 1 at position 0/,
  ],
  [
    "a string",
    () => runtime.call(operator("aten::add", "Tensor"), x(), "1"),
    /other must be a tensor; got "1"/,
  ],
  ["a BigInt", () => runtime.call(operator("aten::add", "Tensor"), x(), 1n as never), /got a BigInt/],
  ["an object", () => runtime.call(operator("aten::add", "Tensor"), x(), {} as never), /got an object/],
  [
    "a handle",
    () => runtime.call(operator("aten::exp"), x().handle),
    /self must be a tensor, and this operator takes no number/,
  ],
])("a number or something else in place of a tensor is refused elsewhere: %s", (_, call, message) => {
  runtime.scope(() => {
    fillHandles();
    const error = errorOf(call);
    expect(error).toBeInstanceOf(LibTorchError);
    expect((error as LibTorchError).problem).toMatch(message);
  });
});

test.each<[string, () => unknown, RegExp]>([
  [
    "a number",
    () => runtime.call(operator("aten::mul", "Scalar"), x(), x()),
    /other must be a number; got a tensor; read its value with tensor.item\(\)/,
  ],
  [
    "a dimension",
    () => runtime.call(operator("aten::select", "int"), x(), x(), 0),
    /dim must be a number; got a tensor/,
  ],
  [
    "a list of numbers",
    () => runtime.call(operator("aten::reshape"), x(), [x()]),
    /shape must be a list of numbers; got a tensor/,
  ],
  [
    "true or false",
    () => runtime.call(operator("aten::_softmax"), x(), 0, x()),
    /must be true or false; got a tensor/,
  ],
])("a tensor in place of %s is refused", (_, call, message) => {
  runtime.scope(() => expect(call).toThrow(message));
});

test("a number that an operator returns is no handle: it comes as a tensor of no dimensions", () => {
  runtime.scope(() => {
    fillHandles();
    const equal = runtime.call(operator("aten::equal"), x(), x());
    expect([equal.item(), equal.dtype, equal.shape]).toEqual([1, "bool", []]);
    const size = runtime.call(operator("aten::size", "int"), runtime.ones([3, 4]), 1);
    expect([size.item(), size.dtype]).toEqual([4, "int64"]);
  });
});

test("an operator with several results is called with callMany, one with a single one with call", () => {
  runtime.scope(() => {
    const norm = operator("aten::native_layer_norm");
    expect(() => runtime.call(norm, x(), [2], null, null, 1e-5)).toThrow(
      /native_layer_norm: runtime.call must be .*; this one returns 3 results; call it with runtime.callMany/,
    );
    expect(() => runtime.callMany(operator("aten::exp"), x())).toThrow(/call it with runtime.call$/);
  });
});

test("an operator that is looked up without its namespace or overload says what to write", () => {
  expect(() => runtime.call(operator("add", "Tensor"), 1)).toThrow(
    /no operator add.Tensor; an operator's name has a namespace: write aten::add/,
  );
  expect(() => runtime.call(operator("aten::add", "tensor"), 1)).toThrow(
    /no operator aten::add.tensor; the overloads of aten::add are: .*Tensor/,
  );
});

test.each([
  ["torch.exp", "an operator's name has a namespace: write aten::exp"],
  ["aten.exp", "an operator's name has a namespace: write aten::exp"],
  ["torch::exp", "write aten::exp"],
  ["aten::add.Tensor", 'write operator("aten::add", "Tensor")'],
  ["torch.ops.aten.add.Tensor", 'write operator("aten::add", "Tensor")'],
])("an operator that is named %s, as in Python, says what to write", (name, advice) => {
  expect(() => runtime.call(operator(name), 1)).toThrow(`no operator ${name}; ${advice}`);
});

test("a name in place of an operator says what to write", () => {
  runtime.scope(() => {
    const name = "aten::exp" as unknown as Operator;
    for (const call of [
      () => runtime.call(name, x()),
      () => runtime.callMany(name, x()),
      () => runtime.callInPlace(name, x()),
    ])
      expect(call).toThrow('must be an operator; got the string "aten::exp"; write operator("aten::exp")');
  });
});

test("the operators with gradients take numbers where they can, and say where they cannot", () => {
  runtime.scope(() => {
    fillHandles();
    const mask = runtime.tensor([1, 0], [2], "bool");
    const results = [
      add(x(), 1),
      add(1, x()),
      sub(x(), 1),
      sub(1, x()),
      mul(x(), 2),
      mul(2, x()),
      div(x(), 2),
      div(2, x()),
    ];
    expect(results.map((y) => y.toArray())).toEqual([
      [2, 3],
      [2, 3],
      [0, 1],
      [0, -1],
      [2, 4],
      [2, 4],
      [0.5, 1],
      [2, 1],
    ]);
    expect(where(mask, x(), 7).toArray()).toEqual([1, 7]);
    expect(where(mask, 7, x()).toArray()).toEqual([7, 2]);
    for (const refused of [
      () => maximum(x(), 1 as never),
      () => matmul(x(), 2 as never),
      () => linear(x(), 3 as never),
      () => mseLoss(x(), 1 as never),
      () => cat([x(), 1 as never]),
      () => stack([x(), 1 as never]),
      () => add(1, 2 as never),
      () => add("1" as never, x()),
    ])
      expect(errorOf(refused)).toBeInstanceOf(ArgumentError);
  });
});

function errorOf(body: () => unknown): unknown {
  try {
    body();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}
