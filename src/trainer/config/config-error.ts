export type ConfigErrorCode =
  | "CONFIG_UNREADABLE"
  | "CONFIG_BAD_YAML"
  | "CONFIG_BAD_OVERRIDE"
  | "CONFIG_INVALID";

/** One thing that is wrong: the key's path ("model.hiddenSize") and what to change. */
export interface ConfigIssue {
  readonly path: string;
  readonly problem: string;
}

/** Why a configuration cannot be used; all that is wrong with it at once. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly code: ConfigErrorCode;
  readonly issues: readonly ConfigIssue[];

  constructor(
    code: ConfigErrorCode,
    message: string,
    issues: readonly ConfigIssue[] = [],
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.code = code;
    this.issues = issues;
  }
}
