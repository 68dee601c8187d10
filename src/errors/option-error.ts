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

/** Options that are left out where they were undefined. */
type Given<Options> = { [name in keyof Options]: Exclude<Options[name], undefined> };

/**
 * The options that are given, if `owner` has all of them: a misspelt option would silently leave its default in force.
 * One that is undefined is left out, so that it does not replace a default either.
 * @throws OptionError for what is no object, and for a name that is not in `known`, with the one that was meant
 */
export function checkedOptions<Options extends object>(
  owner: string,
  options: Options,
  known: readonly (keyof Options & string)[],
): Given<Options> {
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
  return withoutUndefined(options);
}

/** The same properties, except those that are undefined. */
export function withoutUndefined<Options extends object>(options: Options): Given<Options> {
  if (!Object.values(options).includes(undefined)) return options as Given<Options>;
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as Given<Options>;
}
