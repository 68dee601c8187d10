import { DualPipeError } from "../errors/dualpipe-error.ts";

/** A tensor is used after it was disposed, or after its scope ended. */
export class TensorDisposedError extends DualPipeError<"TENSOR_DISPOSED"> {
  override readonly name = "TensorDisposedError";

  constructor() {
    super(
      "TENSOR_DISPOSED",
      "this tensor was disposed, or its scope has ended; return it from the scope, or take tensor.share() inside, " +
        "which keeps its elements without their graph",
    );
  }
}

/** An operation is called with tensors whose shapes do not go together. */
export class ShapeError extends DualPipeError<"INVALID_SHAPE"> {
  override readonly name = "ShapeError";

  constructor(problem: string) {
    super("INVALID_SHAPE", problem);
  }
}

const IN_PLACE_PROBLEMS = {
  graph:
    "a tensor that a gradient flows through, and changes in place are not recorded; " +
    "call the operator that returns a new tensor, such as relu for relu_, or change it within noGrad",
  "stage input":
    "an input of a stage, which the stage before or the caller may still use; " +
    "change a copy, or call the operator that returns a new tensor",
} as const;

/** An operator would change a tensor in place that a gradient or another stage relies on. */
export class InPlaceError extends DualPipeError<"CHANGED_IN_PLACE"> {
  override readonly name = "InPlaceError";

  constructor(operator: string, reason: "graph" | "stage input") {
    super("CHANGED_IN_PLACE", `${operator}: it would change ${IN_PLACE_PROBLEMS[reason]}`);
  }
}

/** A tensor has an element type of LibTorch that this package does not know, such as a complex or a quantized one. */
export class DtypeError extends DualPipeError<"UNSUPPORTED_DTYPE"> {
  override readonly name = "DtypeError";

  constructor(problem: string) {
    super("UNSUPPORTED_DTYPE", problem);
  }
}

/** A program asks for a device that this machine, or this LibTorch, does not have. */
export class DeviceError extends DualPipeError<"DEVICE_NOT_AVAILABLE"> {
  override readonly name = "DeviceError";

  constructor(problem: string) {
    super("DEVICE_NOT_AVAILABLE", problem);
  }
}

/** A function is called with a value of a kind that it does not take. */
export class ArgumentError extends DualPipeError<"INVALID_ARGUMENT"> {
  override readonly name = "ArgumentError";

  constructor(problem: string) {
    super("INVALID_ARGUMENT", problem);
  }
}

export type LibTorchErrorCode = "LIBTORCH" | "OUT_OF_MEMORY";

/**
 * LibTorch refuses a call, or runs out of memory in it. The message reads as the call:
 * `dualpipe: aten::mm(float32[2, 3], float32[4, 5]): mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)`.
 *
 * The native addon makes these; see native/guard.h.
 */
export class LibTorchError extends DualPipeError<LibTorchErrorCode> {
  override readonly name = "LibTorchError";
  /** Name and overload, such as `aten::add.Tensor`; undefined when the call is no operator's. */
  readonly operator: string | undefined;
  /**
   * The arguments that were passed: tensors as `float32[2, 3]`, numbers and lists as they are, `?` for one that cannot
   * be read.
   */
  readonly arguments: readonly string[];

  /** @param problem The first line of LibTorch's message. */
  constructor(code: LibTorchErrorCode, problem: string, operator?: string, args: readonly string[] = []) {
    super(code, operator === undefined ? problem : `${operator}(${args.join(", ")}): ${problem}`);
    this.operator = operator;
    this.arguments = args;
  }
}
