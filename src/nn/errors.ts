import { DualPipeError } from "../errors/dualpipe-error.ts";

/** A module is put together, or called, in a way that modules do not allow. */
export class ModuleError extends DualPipeError<"INVALID_MODULE"> {
  override readonly name = "ModuleError";

  constructor(problem: string) {
    super("INVALID_MODULE", problem);
  }
}
