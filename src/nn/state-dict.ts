import { DualPipeError } from "../errors/dualpipe-error.ts";
import * as kernels from "../tensor/kernels/index.ts";
import { sameShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** Parameters and buffers by their dotted names, as PyTorch's `state_dict` names them. */
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
 * Copies `dict` into a module's state. A parameter with several names is missing only when `dict` has none of them.
 * @param fit "loose" skips names that only one of them has; "exact" converts no dtypes, as the others do.
 * @throws StateDictError with every key that does not fit; the state is then unchanged
 */
export function loadState(
  owner: string,
  state: readonly (readonly [string, Tensor])[],
  dict: StateDict,
  fit: "loose" | "strict" | "exact",
): LoadReport {
  const names = new Set(state.map(([name]) => name));
  const found = new Set(state.filter(([name]) => dict[name] !== undefined).map(([, tensor]) => tensor));
  const missing = state.filter(([, tensor]) => !found.has(tensor)).map(([name]) => name);
  const unexpected = Object.keys(dict).filter((name) => !names.has(name));
  const problems =
    fit === "loose"
      ? []
      : [...missing.map((name) => `missing: ${name}`), ...unexpected.map((name) => `unexpected: ${name}`)];
  for (const [name, tensor] of state) {
    const source = dict[name];
    if (source === undefined) continue;
    if (!sameShape(source.shape, tensor.shape))
      problems.push(`${name}: it is [${source.shape}] in the state dict, [${tensor.shape}] in the module`);
    if (fit === "exact" && source.dtype !== tensor.dtype)
      problems.push(`${name}: it is ${source.dtype} in the state dict, ${tensor.dtype} in the module`);
  }
  if (problems.length > 0)
    throw new StateDictError(
      `the state dict does not fit ${owner}:\n  ${problems.join("\n  ")}\n` +
        `load the weights of the same configuration${fit === "strict" ? ", or pass { strict: false } to leave out missing and unexpected ones" : ""}`,
    );
  for (const [name, tensor] of state) {
    const source = dict[name];
    if (source !== undefined) kernels.copy_(tensor, source);
  }
  return { missing, unexpected };
}
