import { ArgumentError } from "./errors.ts";
import { Tensor } from "./tensor.ts";

/**
 * Refuses what a program without types may pass in place of a tensor.
 * @param name The function, and `argument` its argument, as the error names them.
 * @throws ArgumentError
 */
export function checkTensor(name: string, argument: string, value: unknown): asserts value is Tensor {
  if (value instanceof Tensor) return;
  const advice = typeof value === "number" ? `; make it a tensor, such as runtime.full([], ${value})` : "";
  throw new ArgumentError(`${name}: ${argument} must be a tensor; got ${describeValue(value)}${advice}`);
}

/** As errors show a value that is not what it should be. */
export function describeValue(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (value instanceof Tensor) return `a tensor of the shape [${value.shape.join(", ")}]`;
  if (Array.isArray(value)) return "an array";
  if (typeof value === "object") return `an object of the class ${value.constructor?.name ?? "null"}`;
  if (typeof value === "function") return "a function";
  return `the ${typeof value} ${typeof value === "string" ? JSON.stringify(value) : String(value)}`;
}
