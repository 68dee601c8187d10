import { shown } from "../../errors/shown.ts";
import { ConfigError } from "./config-error.ts";
import { plainCopy, problemOfYaml, yaml } from "./yaml-text.ts";

/** A value that `--set` puts in place of a configuration's. */
export interface Override {
  /** Such as "model.hiddenSize=256", as it was given. */
  readonly text: string;
  readonly path: readonly string[];
  readonly value: unknown;
}

const TEXT_LENGTH_MAX = 60;

/** An override as messages name it. */
export function nameOf({ text }: Pick<Override, "text">): string {
  return `--set ${text.length > TEXT_LENGTH_MAX ? `${text.slice(0, TEXT_LENGTH_MAX)}…` : text}`;
}

/** Reads an override, the value in YAML. @throws ConfigError CONFIG_BAD_OVERRIDE */
export function parseOverride(text: string): Override {
  const separator = text.indexOf("=");
  const path = text.slice(0, Math.max(separator, 0)).split(".");
  if (path.some((key) => key === ""))
    throw badOverride(text, "must be KEY=VALUE, e.g. --set model.hiddenSize=256");
  try {
    const value = yaml().parse(text.slice(separator + 1), { merge: true }) as unknown;
    return { text, path, value: plainCopy(value) };
  } catch (error) {
    throw badOverride(text, `the value must be YAML: ${problemOfYaml(error as Error)}`);
  }
}

/** A copy of the values with the override's in its place. @throws ConfigError CONFIG_BAD_OVERRIDE */
export function withOverride(root: unknown, { text, path, value }: Override): unknown {
  const set = (holder: unknown, depth: number): unknown => {
    const key = path[depth];
    if (key === undefined) return value;
    const name = path.slice(0, depth).join(".");
    if (Array.isArray(holder)) {
      if (!/^\d+$/.test(key) || Number(key) > holder.length)
        throw badOverride(
          text,
          `${key} must be a position in the list ${name}, from 0 to ${holder.length}; got ${shown(holder)}`,
        );
      const items = [...(holder as readonly unknown[])];
      items[Number(key)] = set(items[Number(key)], depth + 1);
      return items;
    }
    // A section without keys is null in YAML.
    const section = holder ?? {};
    if (typeof section !== "object")
      throw badOverride(text, `${name || "the configuration"} has no keys; it is ${shown(section)}`);
    const inner = Object.hasOwn(section, key) ? (section as Record<string, unknown>)[key] : undefined;
    return { ...section, [key]: set(inner, depth + 1) };
  };
  return set(root, 0);
}

function badOverride(text: string, problem: string): ConfigError {
  return new ConfigError("CONFIG_BAD_OVERRIDE", `${nameOf({ text })}: ${problem}`);
}
