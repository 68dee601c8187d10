/** An operator of the c10 dispatcher, by name and overload. Each runtime looks it up at its first call. */
export interface Operator {
  readonly name: string;
  readonly overload: string;
}

/** @param name With its namespace, such as `aten::mm`. */
export function operator(name: string, overload = ""): Operator {
  return Object.freeze({ name, overload });
}
