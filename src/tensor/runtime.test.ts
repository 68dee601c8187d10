import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { failOnLeaks } from "../../test/leak-guard.ts";
import { DualPipeError } from "../errors/dualpipe-error.ts";
import { bytesPerElement, type DType, dtypeCode, dtypeOfCode, isFloatingPoint } from "./dtype.ts";
import { LibTorchError } from "./errors.ts";
import { operator } from "./native-operator.ts";
import { Runtime } from "./runtime.ts";

const runtime = Runtime.load();
failOnLeaks(runtime);

const dtypes: readonly DType[] = [
  "uint8",
  "int32",
  "int64",
  "float16",
  "float32",
  "float64",
  "bool",
  "bfloat16",
];

/** Numbers that the dtype holds exactly. */
function exactNumbers(dtype: DType): fc.Arbitrary<number> {
  if (dtype === "bool") return fc.constantFrom(0, 1);
  if (dtype === "uint8") return fc.integer({ min: 0, max: 255 });
  if (dtype === "int32") return fc.integer();
  if (dtype === "int64") return fc.maxSafeInteger();
  if (dtype === "float64") return fc.double();
  if (dtype === "float32") return fc.float();
  return fc.integer({ min: -128, max: 128 }).map((x) => x / 16);
}

describe.each(dtypes)("%s", (dtype) => {
  test("goes in and comes out unchanged", () => {
    fc.assert(
      fc.property(fc.array(exactNumbers(dtype)), (numbers) => {
        runtime.scope(() => {
          const tensor = runtime.tensor(numbers, [numbers.length], dtype);
          expect(tensor.dtype).toBe(dtype);
          expect(tensor.shape).toEqual([numbers.length]);
          expect(tensor.numBytes).toBe(numbers.length * bytesPerElement(dtype));
          expect(tensor.toArray().map((x) => x + 0)).toEqual(numbers.map((x) => x + 0));
        });
      }),
    );
  });

  test("has a number in LibTorch that leads back to it", () => {
    expect(dtypeOfCode(dtypeCode(dtype))).toBe(dtype);
    runtime.scope(() => {
      const sum = runtime.call(
        operator("aten::add", "Tensor"),
        runtime.ones([2], dtype),
        runtime.ones([2], dtype),
      );
      expect(sum.dtype).toBe(dtype);
      expect(sum.toArray()).toEqual(dtype === "bool" ? [1, 1] : [2, 2]);
    });
  });
});

test("int64 is exact beyond 2^53 as BigInt, and bfloat16 is read as float32", () => {
  runtime.scope(() => {
    const large = runtime.fromArray(BigInt64Array.of(2n ** 60n + 1n), [1], "int64");
    expect(runtime.read(large)).toEqual(BigInt64Array.of(2n ** 60n + 1n));
    // 1.5 is 0x3fc0 in bfloat16.
    const half = runtime.fromArray(Uint16Array.of(0x3fc0), [1], "bfloat16");
    expect(runtime.read(half)).toEqual(Float32Array.of(1.5));
    expect(isFloatingPoint("bfloat16") && !isFloatingPoint("bool")).toBe(true);
  });
});

test("elements come out in row-major order, whatever their order in memory", () => {
  runtime.scope(() => {
    const tensor = runtime.tensor([1, 2, 3, 4, 5, 6], [2, 3]);
    expect(runtime.call(operator("aten::t"), tensor).toArray()).toEqual([1, 4, 2, 5, 3, 6]);
  });
});

test("the number of bytes must be that of the shape", () => {
  expect(() => runtime.fromArray(new Float32Array(5), [2, 3], "float32")).toThrow(
    /float32\[2, 3\] takes 24 bytes; got 20/,
  );
});

describe("an error of LibTorch", () => {
  const mm = operator("aten::mm");

  function errorOf(body: () => unknown): LibTorchError {
    try {
      runtime.scope(body);
    } catch (error) {
      expect(error).toBeInstanceOf(LibTorchError);
      return error as LibTorchError;
    }
    throw new Error("nothing was thrown");
  }

  test("carries the operator's name, every argument's dtype and shape, and a code", () => {
    const error = errorOf(() => runtime.call(mm, runtime.ones([2, 3]), runtime.ones([4, 5], "float64")));
    expect(error).toBeInstanceOf(DualPipeError);
    expect(error).toMatchObject({
      code: "LIBTORCH",
      operator: "aten::mm",
      arguments: ["float32[2, 3]", "float64[4, 5]"],
    });
    expect(error.message).toMatch(/^dualpipe: aten::mm\(float32\[2, 3\], float64\[4, 5\]\): \S.*$/);
  });

  test.each<[string, () => unknown, RegExp]>([
    [
      "reshape",
      () => runtime.call(operator("aten::reshape"), runtime.ones([2, 3]), [4, 2]),
      /^aten::reshape\(float32\[2, 3\], \[4, 2\]\): shape '\[4, 2\]' is invalid for input of size 6$/,
    ],
    [
      "add",
      () => runtime.call(operator("aten::add", "Tensor"), runtime.ones([2]), runtime.ones([3])),
      /^aten::add\.Tensor\(float32\[2\], float32\[3\]\): The size of tensor a \(2\) must match .*$/,
    ],
    [
      "cat",
      () => runtime.call(operator("aten::cat"), [runtime.ones([2, 2]), runtime.ones([2, 3])], 0),
      /^aten::cat\(\[float32\[2, 2\], float32\[2, 3\]\], 0\): Sizes of tensors must match .*$/,
    ],
    [
      "an index out of range",
      () => runtime.call(operator("aten::select", "int"), runtime.ones([2]), 0, 5),
      /^aten::select\.int\(float32\[2\], 0, 5\): .*out of range.*$/,
    ],
    [
      "a long list",
      () =>
        runtime.call(operator("aten::cat"), [...Array(9).fill(runtime.ones([1])), runtime.ones([1, 1])], 0),
      /^aten::cat\(\[(float32\[1\], ){6}\.\.\. 4 more\], 0\): .*$/,
    ],
    [
      "a dtype",
      () => runtime.call(operator("aten::ones"), [-1], dtypeCode("bfloat16")),
      /^aten::ones\(\[-1\], bfloat16\): .*negative.*$/,
    ],
  ])("reads as the call, in one line: %s", (_, call, message) => {
    expect(errorOf(call).problem).toMatch(message);
  });

  test("for memory that is not there has a code of its own", () => {
    const error = errorOf(() => runtime.zeros([2 ** 50]));
    expect(error.code).toBe("OUT_OF_MEMORY");
    expect(error.problem).toMatch(
      /^aten::zeros\(\[1125899906842624\], float32\): out of memory: 4503599627370496 bytes asked for, \d+ bytes of tensors live$/,
    );
  });

  test("for an operator that does not exist names it", () => {
    expect(errorOf(() => runtime.call(operator("aten::nonesuch", "out"))).problem).toBe(
      "this LibTorch has no operator aten::nonesuch.out",
    );
  });

  test.each([
    ["aten::cumsun", "", "this LibTorch has no operator aten::cumsun; did you mean aten::cumsum?"],
    ["aten::softMax", "int", "this LibTorch has no operator aten::softMax.int; did you mean aten::softmax?"],
    ["torch.cumsum", "", /has a namespace: write aten::cumsum$/],
    ["aten::pow", "", /; the overloads of aten::pow are: .*Tensor_Scalar/],
  ])("for the operator %s says what was meant", (name, overload, problem) => {
    expect(errorOf(() => runtime.call(operator(name, overload))).problem).toMatch(problem);
  });

  test("frees what it was called with as soon as its scope ends", () => {
    const { liveBytes } = runtime.device.memory();
    errorOf(() => runtime.call(mm, runtime.ones([100, 3]), runtime.ones([100, 3])));
    expect(runtime.device.memory().liveBytes).toBe(liveBytes);
  });

  test.each([
    [
      "too many arguments",
      () => runtime.call(mm, runtime.ones([1, 1]), runtime.ones([1, 1]), 1),
      /at most 2/,
    ],
    ["a missing argument", () => runtime.call(mm, runtime.ones([1, 1])), /mat2 is missing/],
    ["null for a tensor", () => runtime.call(mm, runtime.ones([1, 1]), null), /mat2 must not be null/],
    ["a text for a number", () => runtime.call(operator("aten::ones"), "two"), /size must be an array/],
  ])("says what is wrong with %s", (_, call, message) => {
    runtime.scope(() => expect(call).toThrow(message));
  });

  test("leaves the runtime as it was", () => {
    runtime.scope(() => {
      expect(() => runtime.call(mm, runtime.ones([2, 3]), runtime.ones([2, 3]))).toThrow();
      expect(runtime.call(mm, runtime.ones([1, 2]), runtime.ones([2, 1])).item()).toBe(2);
    });
  });
});

test("an operator is supported or not, and asking does not throw", () => {
  expect(runtime.supports(operator("aten::mm"))).toBe(true);
  const missing = operator("aten::nonesuch");
  expect([runtime.supports(missing), runtime.supports(missing)]).toEqual([false, false]);
});

test("several results come as a list, undefined ones as null", () => {
  runtime.scope(() => {
    const ones = runtime.ones([2, 3]);
    const norm = runtime.callMany(operator("aten::native_layer_norm"), ones, [3], null, null, 1e-5);
    expect(norm.map((tensor) => tensor?.shape)).toEqual([
      [2, 3],
      [2, 1],
      [2, 1],
    ]);
    const [, mean, rstd] = norm;
    const gradients = runtime.callMany(
      operator("aten::native_layer_norm_backward"),
      ones,
      ones,
      [3],
      mean!,
      rstd!,
      null,
      null,
      [true, false, false],
    );
    expect(gradients.map((tensor) => tensor?.shape ?? null)).toEqual([[2, 3], null, null]);
  });
});

test("a seed decides all random numbers that follow", () => {
  runtime.scope(() => {
    const draw = () => [
      ...runtime.randn([3]).toArray(),
      ...runtime.rand([3]).toArray(),
      ...runtime.randint(0, 1000, [3]).toArray(),
    ];
    runtime.seed(42);
    const first = draw();
    const next = draw();
    runtime.seed(42);
    expect(draw()).toEqual(first);
    expect(draw()).toEqual(next);
    expect(next).not.toEqual(first);
  });
});
