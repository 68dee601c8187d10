/** An operator of the c10 dispatcher, by name and overload. Each runtime looks it up at its first call. */
export interface Operator {
  readonly name: string;
  readonly overload: string;
  /** True when its name says that it overwrites its first argument: `aten::add_`, `aten::__iadd__`. */
  readonly isInPlace: boolean;
}

/** @param name With its namespace, such as `aten::mm`. */
export function operator(name: string, overload = ""): Operator {
  return Object.freeze({ name, overload, isInPlace: /[^_]_$|^aten::__i/.test(name) });
}
