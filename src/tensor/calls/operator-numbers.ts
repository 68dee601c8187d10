import { closestName } from "../../errors/suggestion.ts";
import type { Addon } from "../../native/addon.ts";
import { LibTorchError } from "../errors.ts";
import { checkOperator, type Operator } from "../native-operator.ts";

/** The addon's numbers for operators, each looked up at its first use. */
export class OperatorNumbers {
  readonly #addon: Addon;
  readonly #numbers = new Map<Operator, number>();
  readonly #known = new Map<Operator, boolean>();

  constructor(addon: Addon) {
    this.#addon = addon;
  }

  /** @throws LibTorchError when this LibTorch has no such operator */
  of(op: Operator): number {
    const number = this.#numbers.get(op);
    if (number !== undefined) return number;
    checkOperator(op);
    try {
      return this.#lookUp(op);
    } catch (error) {
      throw withSuggestion(this.#addon, op, error);
    }
  }

  #lookUp(op: Operator): number {
    const number = this.#addon.op(op.name, op.overload);
    this.#numbers.set(op, number);
    return number;
  }

  /** True when this LibTorch has the operator. */
  has(op: Operator): boolean {
    const known = this.#known.get(op);
    if (known !== undefined) return known;
    let found = true;
    try {
      checkOperator(op);
      this.#lookUp(op);
    } catch {
      found = false;
    }
    this.#known.set(op, found);
    return found;
  }
}

/** The same error with the name that was meant, if there is one like it and LibTorch's own advice does not say it. */
function withSuggestion(addon: Addon, op: Operator, error: unknown): unknown {
  if (!(error instanceof LibTorchError) || !error.problem.endsWith(`no operator ${fullName(op)}`))
    return error;
  const prefix = op.name.slice(0, op.name.indexOf("::") + 2);
  const given = op.name.slice(prefix.length);
  const names = new Set(addon.schemas(prefix).map(({ name }) => name.slice(prefix.length)));
  // Names that begin with _ are LibTorch's own.
  const meant = closestName(
    given,
    [...names].filter((name) => given.startsWith("_") || !name.startsWith("_")),
  );
  if (meant === undefined) return error;
  return new LibTorchError("LIBTORCH", `${error.problem}; did you mean ${prefix}${meant}?`);
}

function fullName({ name, overload }: Operator): string {
  return overload === "" ? name : `${name}.${overload}`;
}
