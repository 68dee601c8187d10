import type { Runtime } from "../tensor/runtime.ts";

/** Runs `body` without recording anything for a backward, and restores the mode afterwards. */
export function noGrad<T>(runtime: Runtime, body: () => T): T {
  return withGradMode(runtime, false, body);
}

/** Runs `body` with recording on, even inside `noGrad`; restores the mode afterwards. */
export function enableGrad<T>(runtime: Runtime, body: () => T): T {
  return withGradMode(runtime, true, body);
}

function withGradMode<T>(runtime: Runtime, enabled: boolean, body: () => T): T {
  const before = runtime.gradEnabled;
  runtime.gradEnabled = enabled;
  try {
    return body();
  } finally {
    runtime.gradEnabled = before;
  }
}
