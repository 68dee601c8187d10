// Compares operators one after another, and prints a line of JSON before and after each: a program of its own, because
// an internal operator may end the process when its arguments make no sense to it.
import type { NativeSchema } from "../../../src/native/addon.ts";
import { Runtime } from "../../../src/tensor/runtime.ts";
import { argumentsByRules } from "./arguments.ts";
import { compareOperator, type Outcome } from "./compare.ts";
import { recipeFor } from "./recipes.ts";

export type Line = { readonly begins: number } | { readonly ends: number; readonly outcome: Outcome };

const runtime = Runtime.load();
const positions: readonly number[] = JSON.parse(process.argv[2]!);
const schemas: readonly NativeSchema[] = runtime.addon.schemas("aten::");

for (const position of positions) {
  const schema = schemas[position]!;
  print({ begins: position });
  // The same elements whatever came before, so that an outcome can be looked at alone.
  runtime.seed(position);
  const name = schema.overload === "" ? schema.name : `${schema.name}.${schema.overload}`;
  const outcome = runtime.scope(() =>
    compareOperator(runtime, schema, recipeFor(runtime, name) ?? argumentsByRules(runtime, schema)),
  );
  print({ ends: position, outcome });
}

function print(line: Line): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
