import { createRequire } from "node:module";
import type { z } from "zod";
import { MAX_DURATION_SECONDS } from "../errors/duration.ts";

/*
 * The kinds of values that a key of a configuration can have. Each says in words what it accepts, to go after "must
 * be": one text for a wrong type, a value too small and a value too large, because the user needs the same answer.
 */

const require = createRequire(import.meta.url);

/** zod, loaded by the first call. */
export function zod(): typeof z {
  return (require("zod") as typeof import("zod")).z;
}

/** A function that declares a schema when it is first called, and returns that one from then on. */
export function declare<T>(schema: () => T): () => T {
  let declared: T | undefined;
  return () => {
    declared ??= schema();
    return declared;
  };
}

/** A whole number from `min` to `max`. */
export function whole(min: number, max = Number.MAX_SAFE_INTEGER) {
  const error = describeRange(min, max);
  return zod().int({ error }).min(min, { error }).max(max, { error });
}

function describeRange(min: number, max: number): string {
  if (min === max) return String(min);
  return max === Number.MAX_SAFE_INTEGER
    ? `a whole number from ${min}`
    : `a whole number from ${min} to ${max}`;
}

/** A number of 0 or more. */
export function nonNegative() {
  const error = "a number from 0";
  return zod().number({ error }).min(0, { error });
}

/** A number greater than 0. */
export function positive() {
  const error = "a number over 0";
  return zod().number({ error }).positive({ error });
}

/** A duration that timers can wait. */
export function seconds() {
  const error = `a number over 0, at most ${MAX_DURATION_SECONDS} (23 days)`;
  return zod().number({ error }).positive({ error }).max(MAX_DURATION_SECONDS, { error });
}

/** A share that may be 0 but not 1. */
export function fraction() {
  const error = "a number from 0 to under 1";
  return zod().number({ error }).min(0, { error }).lt(1, { error });
}

/** A text that is not empty; `what` describes it. */
export function text(what: string) {
  return zod().string({ error: what }).min(1, { error: what });
}

/** True or false. */
export function flag() {
  return zod().boolean({ error: "true or false" });
}

/** One of a list of names. */
export function oneOf<const T extends readonly string[]>(...values: T) {
  return zod().enum(values, { error: `one of ${values.join(", ")}` });
}

/** A section with these keys and no others. */
export function keys<T extends z.core.$ZodLooseShape>(shape: T) {
  return zod().strictObject(shape, { error: "a section of keys" });
}

/** The words for a section whose `kind` is none of `kinds`. */
export function kindError(kinds: readonly string[]) {
  return ({ code }: { readonly code: string }) =>
    code === "invalid_union" ? `one of ${kinds.join(", ")}` : "a section of keys";
}
