import { describeValue } from "./argument.ts";
import { ArgumentError } from "./errors.ts";

/** An operator of the c10 dispatcher, by name and overload. Each runtime looks it up at its first call. */
export interface Operator {
  readonly name: string;
  readonly overload: string;
  /** True when its name says that it overwrites its first argument: `aten::add_`, `aten::__iadd__`. */
  readonly isInPlace: boolean;
  /** True when its name says that no gradient flows through it, like that of `aten::detach` and `aten::zeros_like`. */
  readonly ignoresElements: boolean;
}

/** @param name With its namespace, such as `aten::mm`. */
export function operator(name: string, overload = ""): Operator {
  return Object.freeze({
    name,
    overload,
    isInPlace: /[^_]_$|^aten::__i/.test(name),
    ignoresElements: /^aten::(detach|new_\w+|\w+_like)(_copy)?$/.test(name),
  });
}

/** Refuses a name in place of an operator. @throws ArgumentError */
export function checkOperator(op: Operator): void {
  if (typeof op?.name === "string" && typeof op.overload === "string") return;
  const advice =
    typeof op === "string" ? `operator(${JSON.stringify(op)})` : 'operator("aten::add", "Tensor")';
  throw new ArgumentError(
    `the first argument of a call must be an operator; got ${describeValue(op)}; write ${advice}`,
  );
}
