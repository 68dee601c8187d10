import type { z } from "zod";
import { declare, kindError, zod } from "./config-values.ts";
import { gpt } from "./gpt/family.ts";
import type { ModelFamily } from "./model-family.ts";

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

/** The family that a `model` section is for. */
export function familyOf({ kind }: AnyModelSection): ModelFamily<AnyModelSection> {
  return families[kind];
}
