import { Parameter } from "../../src/autograd/parameter.ts";
import type { Runtime } from "../../src/tensor/runtime.ts";

/** Runs `body` in a scope, with a parameter float32[2, 2] of ones that lives as long. */
export function withParameter(runtime: Runtime, body: (p: Parameter) => void): void {
  runtime.scope(() => {
    const p = new Parameter(runtime.ones([2, 2]));
    try {
      body(p);
    } finally {
      p.dispose();
    }
  });
}
