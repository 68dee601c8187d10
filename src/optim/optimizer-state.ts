import type { Parameter } from "../autograd/parameter.ts";
import { type StateDict, StateDictError } from "../nn/state-dict.ts";
import { sameShape } from "../tensor/shape.ts";

/**
 * Checks that a state dict has what the parameters need, and nothing else.
 * @param loads The names of each parameter's tensors; that of its step comes first.
 * @throws StateDictError with every name that does not fit
 */
export function checkState(
  dict: StateDict,
  loads: readonly { parameter: Parameter; names: readonly string[] }[],
): void {
  const known = new Set(loads.flatMap(({ names }) => names));
  const problems = Object.keys(dict)
    .filter((name) => !known.has(name))
    .map((name) => `unexpected: ${name}`);
  for (const { parameter, names } of loads) {
    names.forEach((name, i) => {
      const source = dict[name];
      const shape = i === 0 ? [] : parameter.shape;
      if (source === undefined) problems.push(`missing: ${name}`);
      else if (!sameShape(source.shape, shape))
        problems.push(`${name}: it is [${source.shape}] in the state dict, [${shape}] here`);
    });
  }
  if (problems.length > 0)
    throw new StateDictError(
      `the optimizer's state does not fit its parameters:\n  ${problems.join("\n  ")}\n` +
        "load the state of the same model and optimizer",
    );
}
