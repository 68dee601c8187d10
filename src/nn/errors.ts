import { DualPipeError } from "../errors/dualpipe-error.ts";

/** A layer, a model or an optimizer is made with an option that it does not take. */
export class OptionError extends DualPipeError<"INVALID_OPTION"> {
  override readonly name = "OptionError";

  constructor(problem: string) {
    super("INVALID_OPTION", problem);
  }
}

/** A module is put together, or called, in a way that modules do not allow. */
export class ModuleError extends DualPipeError<"INVALID_MODULE"> {
  override readonly name = "ModuleError";

  constructor(problem: string) {
    super("INVALID_MODULE", problem);
  }
}
