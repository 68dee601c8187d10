import type { Parameter } from "../autograd/parameter.ts";
import { DualPipeError } from "../errors/dualpipe-error.ts";
import * as kernels from "../tensor/kernels/index.ts";
import { sameShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** Parameters by their dotted names, as PyTorch's `state_dict` names them. */
export type StateDict = Readonly<Record<string, Tensor>>;

/**
 * A state dict does not fit a module or an optimizer: the message lists every key at fault, with the shapes of both.
 */
export class StateDictError extends DualPipeError<"STATE_DICT_MISMATCH"> {
  override readonly name = "StateDictError";

  constructor(problem: string) {
    super("STATE_DICT_MISMATCH", problem);
  }
}

/** The names that a load skipped; both lists are empty after a strict one. */
export interface LoadReport {
  readonly missing: readonly string[];
  readonly unexpected: readonly string[];
}

/**
 * Copies `dict` into the parameters, converting dtypes. A parameter with several names is missing only when `dict` has
 * none of them.
 * @throws StateDictError with every key that does not fit; the parameters are then unchanged
 */
export function loadParameters(
  owner: string,
  parameters: readonly (readonly [string, Parameter])[],
  dict: StateDict,
  strict: boolean,
): LoadReport {
  const names = new Set(parameters.map(([name]) => name));
  const found = new Set(
    parameters.filter(([name]) => dict[name] !== undefined).map(([, parameter]) => parameter),
  );
  const missing = parameters.filter(([, parameter]) => !found.has(parameter)).map(([name]) => name);
  const unexpected = Object.keys(dict).filter((name) => !names.has(name));
  const problems = strict
    ? [...missing.map((name) => `missing: ${name}`), ...unexpected.map((name) => `unexpected: ${name}`)]
    : [];
  for (const [name, parameter] of parameters) {
    const source = dict[name];
    if (source !== undefined && !sameShape(source.shape, parameter.shape))
      problems.push(`${name}: it is [${source.shape}] in the state dict, [${parameter.shape}] in the module`);
  }
  if (problems.length > 0)
    throw new StateDictError(
      `the state dict does not fit ${owner}:\n  ${problems.join("\n  ")}\n` +
        `load the weights of the same configuration${strict ? ", or pass { strict: false } to leave out missing and unexpected ones" : ""}`,
    );
  for (const [name, parameter] of parameters) {
    const source = dict[name];
    if (source !== undefined) kernels.copy_(parameter, source);
  }
  return { missing, unexpected };
}
