import type { z } from "zod";
import { shown } from "../../errors/shown.ts";
import { closestName, didYouMean } from "../../errors/suggestion.ts";
import type { ConfigIssue } from "./config-error.ts";
import { knownKeys, sectionNames } from "./schema.ts";

/** Describes what the schema found. @param given The value that was checked. */
export function describeIssues(issues: readonly z.core.$ZodIssue[], given: unknown): readonly ConfigIssue[] {
  const described = issues.flatMap((issue) => {
    const value = valueAt(given, issue.path);
    const path = issue.path.join(".");
    if (issue.code === "unrecognized_keys") {
      return issue.keys.map((key) => describeUnknownKey(issue.path, key, value));
    }
    const suggestion =
      typeof value === "string" && issue.message.startsWith("one of ") && !issue.message.includes("(")
        ? didYouMean(closestName(value, issue.message.slice("one of ".length).split(", ")))
        : "";
    return [{ path, problem: `must be ${issue.message}; got ${shown(value)}${suggestion}` }];
  });
  // A value can break several bounds of a key, which all have the same words.
  return [...new Map(described.map((issue) => [issue.path, issue])).values()];
}

function describeUnknownKey(path: readonly PropertyKey[], key: string, section: unknown): ConfigIssue {
  const name = path.join(".");
  const known = name === "" ? sectionNames() : knownKeys(name, section);
  const kind = valueAt(section, ["kind"]);
  const where = typeof kind === "string" ? `${name} of kind ${kind}` : name || "the configuration";
  const meant = closestName(key, known);
  const elsewhere = sectionNames().find((other) => other !== name && knownKeys(other, {}).includes(key));
  const suggestion = meant ?? (elsewhere === undefined ? undefined : `${elsewhere}.${key}`);
  return {
    path: [...path, key].join("."),
    problem: `there is no such key (its value is ${shown(valueAt(section, [key]))})${didYouMean(suggestion)}; ${where} has ${known.join(", ")}`,
  };
}

function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  let value = root;
  for (const key of path) {
    const isHolder = typeof value === "object" && value !== null && Object.hasOwn(value, key);
    value = isHolder ? (value as Record<PropertyKey, unknown>)[key] : undefined;
  }
  return value;
}
