import { expect } from "vitest";
import { ConfigError, parseConfig } from "../../src/trainer/config/config.ts";

/** The error for a configuration, of the file c.yaml, that must be refused. */
export function configFailure(text: string, overrides: readonly string[] = []): ConfigError {
  try {
    parseConfig(text, overrides, "c.yaml");
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return error as ConfigError;
  }
  return expect.fail(`must be refused: ${text} ${overrides.join(" ")}`);
}
