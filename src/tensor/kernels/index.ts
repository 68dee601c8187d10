/**
 * LibTorch's kernels as functions: `kernels.mul(a, b)`. They are what gradient rules, optimizers and the engine
 * compute with; none of them records anything, so no gradient flows through them (`autograd/operators/` has
 * those that do).
 *
 * Each operator of the dispatcher is declared once in the whole code base, here, with its schema's arguments in
 * order. A function has the name that the operator has in ATen, in camelCase: `Scalar` at the end says that the
 * second operand is a number, `_` that the first argument is changed in place and nothing is returned. Import
 * them by that one name, `import * as kernels`, so that a reader sees at each call whether it is recorded. They
 * borrow their arguments; results belong to the current scope.
 *
 * One that is missing is three lines in the file of its family. A program that needs one operator without a
 * function here calls it by name: `runtime.call(operator("aten::erf"), x)`. `call` is `kernel` with a check that no
 * gradient ends there unseen (../calls/unrecorded.ts).
 */
export * from "./activation.ts";
export * from "./attention.ts";
export * from "./elementwise.ts";
export * from "./foreach.ts";
export * from "./layer.ts";
export * from "./memory.ts";
export * from "./product.ts";
export * from "./random.ts";
export * from "./reduction.ts";
export * from "./view.ts";
