import { shown } from "../../../errors/shown.ts";
import { ScheduleError } from "../../program/schedule-error.ts";

/** The keys of a config.json. */
export type Fields = Readonly<Record<string, unknown>>;

export function failModel(rule: string, given: unknown): never {
  throw new ScheduleError(
    "INVALID_PLAN",
    `model: ${rule}; got ${shown(given)}; give the config.json of a decoder-only transformer`,
  );
}

/** The first of the keys that is there, as a count, or the fallback. */
export function count(fields: Fields, names: readonly string[], fallback?: number, least = 1): number {
  const name = names.find((candidate) => fields[candidate] !== undefined && fields[candidate] !== null);
  const value = name === undefined ? fallback : fields[name];
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < least || value > 1e9) {
    failModel(`${names.join(" or ")} must be a whole number of at least ${least}`, value);
  }
  return value;
}

/** Whether a switch is on. */
export function flag(fields: Fields, name: string, fallback = false): boolean {
  const value = fields[name] ?? fallback;
  if (typeof value !== "boolean") failModel(`${name} must be true or false`, value);
  return value;
}

/** Whether a key's value says that a part is there; one expert is none. */
export function isPresent(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  return value !== undefined && value !== null && value !== false && value !== 0 && value !== 1;
}
