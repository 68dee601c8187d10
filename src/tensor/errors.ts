import { DualPipeError } from "../errors/dualpipe-error.ts";

/** A tensor was used after it was disposed, or after its scope ended. */
export class TensorDisposedError extends DualPipeError<"TENSOR_DISPOSED"> {
  override readonly name = "TensorDisposedError";

  constructor() {
    super(
      "TENSOR_DISPOSED",
      "this tensor was disposed, or its scope has ended; return it from the scope, or take tensor.share() inside",
    );
  }
}

/** An operator was called with arguments that it does not take. */
export class ShapeError extends DualPipeError<"INVALID_SHAPE"> {
  override readonly name = "ShapeError";

  constructor(problem: string) {
    super("INVALID_SHAPE", problem);
  }
}
