import { InvalidArgumentError, type Option } from "commander";
import { DualPipeError } from "../errors/dualpipe-error.ts";
import { readEnvironment } from "../errors/environment.ts";
import { closestName, didYouMean } from "../errors/suggestion.ts";

/** The command line itself is wrong, whatever is in the files that it names. */
export class UsageError extends DualPipeError<"USAGE"> {
  override readonly name = "UsageError";

  constructor(problem: string, options?: ErrorOptions) {
    super("USAGE", problem, options);
  }
}

/** Reads what the options say. @throws UsageError for any error that a user can cause in doing so. */
export function asUsage<Value>(read: () => Value): Value {
  try {
    return read();
  } catch (error) {
    throw error instanceof DualPipeError ? new UsageError(error.problem, { cause: error }) : error;
  }
}

/** A reader of an option's or an argument's value for commander, which must be one of a list. */
export function choiceOf<const Value extends string>(values: readonly Value[]): (text: string) => Value {
  return (text) => {
    const found = values.find((value) => value === text);
    if (found !== undefined) return found;
    throw new InvalidArgumentError(
      `It must be one of ${values.join(", ")}${didYouMean(closestName(text, values)) || "."}`,
    );
  };
}

/** Reads an option's value for commander: a whole number of at least 0, in decimal digits. */
export function wholeNumber(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError("It must be a whole number of at least 0.");
  return Number(text);
}

/** Lets a variable of the environment, if it is not empty, give the value of an option that is left out. */
export function orVariable(option: Option, variable: string): Option {
  if (readEnvironment()[variable] !== undefined) return option.env(variable);
  option.description += ` (env: ${variable})`;
  return option;
}
