import { DualPipeError } from "./dualpipe-error.ts";
import { closestName, didYouMean } from "./suggestion.ts";

/** A layer, a model, an optimizer or a function is given an option that it does not take. */
export class OptionError extends DualPipeError<"INVALID_OPTION"> {
  override readonly name = "OptionError";

  constructor(problem: string) {
    super("INVALID_OPTION", problem);
  }
}

/** What PyTorch calls options that have another name here. */
const PYTORCH_NAMES: Readonly<Record<string, string>> = {
  lr: "learningRate",
  wd: "weightDecay",
  is_causal: "causal",
  isCausal: "causal",
};

/**
 * The options, if `owner` has all of them: a misspelt option would silently leave its default in force.
 * @throws OptionError for what is no object, and for a name that is not in `known`, with the one that was meant
 */
export function checkedOptions<Options extends object>(
  owner: string,
  options: Options,
  known: readonly (keyof Options & string)[],
): Options {
  if (typeof options !== "object" || options === null)
    throw new OptionError(
      `${owner} takes its options as an object; got ${String(options)}; write { ${known[0]}: ... }`,
    );
  for (const name of Object.keys(options)) {
    if ((known as readonly string[]).includes(name)) continue;
    const alias = PYTORCH_NAMES[name];
    const meant =
      alias !== undefined && (known as readonly string[]).includes(alias) ? alias : closestName(name, known);
    throw new OptionError(
      `${owner} has no option ${name}${didYouMean(meant)}; its options are ${known.join(", ")}`,
    );
  }
  return options;
}
