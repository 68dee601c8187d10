/** A layer, model or optimizer was asked for with options that it does not take. */
export class OptionError extends RangeError {
  readonly code = "OPTION";
  override readonly name = "OptionError";
}
