import type { z } from "zod";
import { declare, kindError, zod } from "./config-values.ts";
import { gpt } from "./gpt/family.ts";
import type { ModelCut, ModelFamily } from "./model-family.ts";

/** Every model family, by its `model.kind`. */
const families = { gpt };

type Schema = ReturnType<(typeof families)[keyof typeof families]["schema"]>;

/** The `model` section of a configuration: one set of keys for each kind. */
export const modelSchema = declare(() => {
  const schemas = Object.values(families).map(({ schema }) => schema()) as [Schema, ...Schema[]];
  return zod().discriminatedUnion("kind", schemas, { error: kindError(Object.keys(families)) });
});

/** The `model` section of any family. */
export type AnyModelSection = z.infer<Schema>;

/** The kind of a `model` section that names none. */
export const DEFAULT_KIND = "gpt" satisfies keyof typeof families;

/**
 * The defaults of a `model` section that depend on other values.
 * @param given The section before it is checked.
 * @param cut How the pipeline cuts the model; undefined when it is not known, as the pipeline's values are wrong.
 */
export function fittingModelDefaults(
  given: Readonly<Record<string, unknown>>,
  cut: ModelCut | undefined,
): Readonly<Record<string, unknown>> {
  const { kind = DEFAULT_KIND } = given;
  const family = Object.entries(families).find(([name]) => name === kind)?.[1];
  return family?.fittingDefaults(given, cut) ?? {};
}

/** The family that a `model` section is for. */
export function familyOf({ kind }: AnyModelSection): ModelFamily<AnyModelSection> {
  return families[kind];
}
