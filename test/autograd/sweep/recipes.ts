import type { Argument } from "../../../src/tensor/calls/native-arguments.ts";
import type { Runtime } from "../../../src/tensor/runtime.ts";

/** Arguments for operators that the rules of arguments.ts find none for. */
export const recipes: Readonly<Record<string, (runtime: Runtime) => Argument[][]>> = {};
