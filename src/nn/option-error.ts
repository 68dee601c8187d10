import { DualPipeError } from "../errors/dualpipe-error.ts";

/** A layer, model or optimizer was asked for with options that it does not take. */
export class OptionError extends DualPipeError<"INVALID_OPTION"> {
  override readonly name = "OptionError";

  constructor(problem: string) {
    super("INVALID_OPTION", problem);
  }
}
