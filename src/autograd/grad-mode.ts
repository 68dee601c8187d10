import type { Runtime } from "../tensor/runtime.ts";
import { refusePromise, type SynchronousBody } from "../tensor/scope.ts";

/**
 * Runs `body` without recording anything for a backward, and restores the mode afterwards.
 * @throws ArgumentError when `body` is async
 */
export function noGrad<T>(runtime: Runtime, body: SynchronousBody<T>): T {
  return withGradMode(runtime, false, "the body of noGrad", body);
}

/**
 * Runs `body` with recording on, even inside `noGrad`; restores the mode afterwards.
 * @throws ArgumentError when `body` is async
 */
export function enableGrad<T>(runtime: Runtime, body: SynchronousBody<T>): T {
  return withGradMode(runtime, true, "the body of enableGrad", body);
}

function withGradMode<T>(runtime: Runtime, enabled: boolean, name: string, body: () => T): T {
  const before = runtime.gradEnabled;
  runtime.gradEnabled = enabled;
  try {
    return refusePromise(name, body());
  } finally {
    runtime.gradEnabled = before;
  }
}
