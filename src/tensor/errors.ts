/** A tensor was used after it was disposed, or after its scope ended. */
export class TensorDisposedError extends Error {
  readonly code = "TENSOR_DISPOSED";
  override readonly name = "TensorDisposedError";
  constructor() {
    super(
      "dualpipe: this tensor was disposed, or its scope has ended; return it from the scope, or take tensor.share() inside",
    );
  }
}

/** An operator was called with arguments that it does not take. */
export class ShapeError extends Error {
  readonly code = "SHAPE";
  override readonly name = "ShapeError";
}
